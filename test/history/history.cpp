#include "test/history/history.h"

#include <algorithm>
#include <sstream>

namespace csp_test {
namespace {

void describe_arm(std::ostream& out, const arm& one) {
  switch (one.does) {
    case way::send:
      out << "send " << one.value << " to " << one.channel;
      break;
    case way::receive:
      out << "receive from " << one.channel;
      break;
    case way::close:
      out << "close " << one.channel;
      break;
  }
}

const char* name(outcome result) {
  constexpr const char* names[] = {"done", "closed", "blocked", "canceled", "refused", "WRONG"};
  return names[static_cast<std::size_t>(result)];
}

}  // namespace

std::string describe(const history& all) {
  std::ostringstream out;
  out << "channels of capacity";
  for (const std::size_t capacity : all.capacities) {
    out << ' ' << capacity;
  }
  std::vector<const operation*> sorted;
  for (const operation& one : all.operations) {
    sorted.push_back(&one);
  }
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->invoked < b->invoked; });
  for (const operation* const one : sorted) {
    out << "\n[" << one->invoked << ", " << one->returned << "] actor " << one->actor << ':';
    for (const arm& each : one->arms) {
      out << (&each == one->arms.data() ? " " : " | ");
      describe_arm(out, each);
    }
    out << (one->at_standstill ? " when all wait" : "");
    constexpr const char* waits[] = {"", " | at once", " | with a limit"};
    out << waits[static_cast<std::size_t>(one->waits)] << " -> " << name(one->result);
    if (one->chosen >= 0 && one->arms.size() > 1) {
      out << ", arm " << one->chosen;
    }
    if (one->value != 0) {
      out << ", got " << one->value;
    }
  }
  return out.str();
}

}  // namespace csp_test
