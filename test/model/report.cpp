// How a test runs a scenario, and what it prints.
#include "test/model/execution.h"

#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace model {
namespace {

// A scenario that has more executions than this is too large for an ordinary run; a larger bound lifts the limit.
constexpr std::uint64_t most_executions = 4'000'000;

const char* describe(action what) noexcept {
  switch (what) {
    case action::load:
      return "load";
    case action::store:
      return "store";
    case action::exchange:
      return "exchange";
    case action::compare:
      return "compare";
    case action::fence:
      return "fence";
    case action::light_fence:
      return "light fence";
    case action::heavy_fence:
      return "heavy fence";
    case action::lock:
      return "lock";
    case action::unlock:
      return "unlock";
    case action::futex_wait:
      return "futex wait";
    case action::futex_return:
      return "futex return";
    case action::futex_wake:
      return "futex wake";
    case action::yield:
      return "yield";
    case action::choose:
      break;
  }
  return "choose";
}

const char* describe(order how) noexcept {
  switch (how) {
    case order::relaxed:
      return "relaxed";
    case order::acquire:
      return "acquire";
    case order::release:
      return "release";
    case order::acquire_release:
      return "acq_rel";
    case order::sequential:
      break;
  }
  return "seq_cst";
}

// The part of a path that begins with a folder of the project.
const char* shorten(const char* file) noexcept {
  const std::string_view root = CSP_SOURCE_ROOT "/";
  return std::string_view(file).starts_with(root) ? file + root.size() : file;
}

// Mutants follow pointers that are not there. The thread of the scenario that did is never resumed, so the handler need
// not return.
void on_fault(int) {
  if (the_execution().current() == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    return;
  }
  fail("a wild pointer is followed");
}

void watch_for_faults() {
  static std::byte stack[64 * 1024];
  stack_t alternate{};
  alternate.ss_sp = stack;
  alternate.ss_size = sizeof stack;
  struct sigaction handling {};
  handling.sa_handler = on_fault;
  handling.sa_flags = SA_ONSTACK | SA_NODEFER;
  if (::sigaltstack(&alternate, nullptr) != 0 || ::sigaction(SIGSEGV, &handling, nullptr) != 0) {
    std::abort();
  }
}

struct tally {
  std::uint64_t interleavings = 0;
  std::uint64_t redundant = 0;
  bool failed = false;
  bool complete = false;
};

tally explore(const scenario& what, const mutant_site* planted) {
  static search path;
  path.reset();
  tally sum;
  do {
    switch (the_execution().run(what, path, planted)) {
      case execution::verdict::passed:
        ++sum.interleavings;
        break;
      case execution::verdict::redundant:
        ++sum.redundant;
        break;
      case execution::verdict::failed:
        ++sum.interleavings;
        sum.failed = true;
        return sum;
    }
    if (sum.interleavings + sum.redundant >= most_executions * bound()) {
      return sum;
    }
  } while (path.next());
  sum.complete = true;
  return sum;
}

}  // namespace

unsigned bound() noexcept {
  static const unsigned value = [] {
    const char* const text = std::getenv("CSP_MODEL_BOUND");
    const long number = text != nullptr ? std::strtol(text, nullptr, 10) : 1;
    return number >= 1 && number <= 100 ? static_cast<unsigned>(number) : 1U;
  }();
  return value;
}

std::string execution::trace() const {
  constexpr std::size_t longest = 150;  // the end says most
  std::string text;
  char line[400];
  for (std::size_t at = steps_.size() > longest ? steps_.size() - longest : 0; at < steps_.size(); ++at) {
    const step& each = steps_[at];
    const operation& what = each.what;
    std::snprintf(line, sizeof line, "  T%u %-12s %-8s v%-3u -> %" PRIx64 "%s%s  %s:%d %s\n", each.thread - 1,
                  describe(what.what), describe(what.success), each.variable, each.got.value,
                  each.got.success ? "" : " failed", each.age != 0 ? " (an old value)" : "", shorten(what.where.file),
                  what.where.line, what.where.function);
    text += line;
  }
  for (unsigned i = 1; i <= count_; ++i) {
    if (!threads_[i].finished) {
      const operation& next = threads_[i].pending;
      std::snprintf(line, sizeof line, "  T%u is about to %s%s at %s:%d %s\n", i - 1, describe(next.what),
                    threads_[i].asleep ? ", asleep," : "", shorten(next.where.file), next.where.line,
                    next.where.function);
      text += line;
    }
  }
  return text;
}

bool passes(const char* name, const scenario& what) {
  const auto start = std::chrono::steady_clock::now();
  const tally sum = explore(what, nullptr);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (sum.failed) {
    std::printf("%s: interleaving %" PRIu64 " fails: %s\n%s", name, sum.interleavings, the_execution().reason().c_str(),
                the_execution().trace().c_str());
  } else {
    std::printf("%s: %" PRIu64 " interleavings, %s (%" PRIu64 " begun twice, %.1f s)\n", name, sum.interleavings,
                sum.complete ? "exhaustive" : "bounded: there are more", sum.redundant, took.count());
  }
  std::fflush(stdout);
  return !sum.failed && (sum.complete || bound() > 1);
}

bool catches(const char* name, const scenario& what, const mutant& planted) {
  const mutant_site site(planted);
  if (!site.problem().empty()) {
    std::printf("%s: mutant: %s\n", name, site.problem().c_str());
    return false;
  }
  the_execution().forget_mutant();
  watch_for_faults();
  const tally sum = explore(what, &site);
  const bool caught = sum.failed && the_execution().mutant_was_reached();
  std::printf("%s: mutant, %s `%s`: %s %" PRIu64 " interleavings%s%s\n", name, describe(planted.what), planted.text,
              caught ? "caught after" : "NOT caught in", sum.interleavings,
              caught                                 ? ": "
              : the_execution().mutant_was_reached() ? ""
                                                     : ", its place was never reached",
              caught ? the_execution().reason().c_str() : "");
  if (std::getenv("CSP_MODEL_TRACE") != nullptr && sum.failed) {
    std::printf("%s", the_execution().trace().c_str());
  }
  std::fflush(stdout);
  return caught;
}

void tracked::read(const site& where) noexcept {
  execution& here = the_execution();
  const unsigned me = here.current();
  if (write_.made && write_.clock > here.state().clock(me, writer_)) {
    here.fail(std::string("race: a plain read at ") + shorten(where.file) + ":" + std::to_string(where.line) +
              " and a write at " + shorten(write_.where.file) + ":" + std::to_string(write_.where.line));
  }
  reads_[me] = {here.state().clock(me, me), where, true};
}

void tracked::write(const site& where) noexcept {
  execution& here = the_execution();
  const unsigned me = here.current();
  const auto race = [&](const char* with, const site& other) {
    here.fail(std::string("race: a plain write at ") + shorten(where.file) + ":" + std::to_string(where.line) + with +
              shorten(other.file) + ":" + std::to_string(other.line));
  };
  if (write_.made && write_.clock > here.state().clock(me, writer_)) {
    race(" and a write at ", write_.where);
  }
  for (unsigned i = 0; i < most_threads; ++i) {
    if (reads_[i].made && reads_[i].clock > here.state().clock(me, i)) {
      race(" and a read at ", reads_[i].where);
    }
  }
  write_ = {here.state().clock(me, me), where, true};
  writer_ = me;
}

}  // namespace model
