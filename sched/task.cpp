#include "sched/task.h"

#include "sched/base/asymmetric_fence.h"

#include <cstdio>
#include <cstring>

namespace csp::inline v0::detail {

const char* describe(wait_kind kind) noexcept {
  switch (kind) {
    case wait_kind::none:
      return "running";
    case wait_kind::send:
      return "chan send";
    case wait_kind::receive:
      return "chan receive";
    case wait_kind::select:
      return "select";
    case wait_kind::sleep:
      return "sleep";
    case wait_kind::join:
      return "join";
    case wait_kind::mutex:
      return "mutex lock";
    case wait_kind::condition:
      return "condition wait";
    case wait_kind::semaphore:
      return "semaphore acquire";
    case wait_kind::wait_group:
      return "wait group";
    case wait_kind::blocking:
      return "blocking call";
    case wait_kind::readable:
      return "fd readable";
    case wait_kind::writable:
      return "fd writable";
    case wait_kind::forever:
      return "nil channel (for ever)";
  }
  return "?";
}

void task::set_name(std::string_view text) noexcept {
  char buffer[sizeof name] = {};
  const std::size_t length = text.size() < sizeof buffer - 1 ? text.size() : sizeof buffer - 1;
  if (length != 0) {
    std::memcpy(buffer, text.data(), length);
  }
  for (std::size_t i = 0; i < name.size(); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, buffer + i * sizeof word, sizeof word);
    name[i].set(word);
  }
}

void task::copy_name(char* buffer) const noexcept {
  for (std::size_t i = 0; i < name.size(); ++i) {
    const std::uint64_t word = name[i].get();
    std::memcpy(buffer + i * sizeof word, &word, sizeof word);
  }
  buffer[sizeof name - 1] = '\0';
}

void request_cancel(task& target, std::uint32_t generation) noexcept {
  std::uint32_t present = target.cancel_generation.load(std::memory_order_relaxed);
  // A late request for an earlier occupant of the cell must not replace one for the present occupant.
  while (static_cast<std::int32_t>(generation - present) > 0) {
    // relaxed: the fence that follows in the caller orders the flag before its look at the wait.
    if (target.cancel_generation.compare_exchange_weak(present, generation, std::memory_order_relaxed)) {
      return;
    }
  }
}

void interrupt_wait(task& target) noexcept {
  if (target.cancel_wait()) {
    make_ready(target);
  }
}

void cancel(task& target, std::uint32_t generation) noexcept {
  request_cancel(target, generation);
  asymmetric_fence::heavy();
  if (target.generation.get() == generation) {
    interrupt_wait(target);
  }
}

void describe_task(const task& subject, char* buffer, std::size_t size) noexcept {
  char name[sizeof subject.name] = {};
  subject.copy_name(name);
  const source_location site = subject.site.get();
  if (name[0] != '\0') {
    std::snprintf(buffer, size, "task '%s' (%llu) spawned at %s:%u", name,
                  static_cast<unsigned long long>(subject.id.get()), site.file_name(), site.line());
  } else {
    std::snprintf(buffer, size, "task %llu spawned at %s:%u", static_cast<unsigned long long>(subject.id.get()),
                  site.file_name(), site.line());
  }
}

}  // namespace csp::inline v0::detail
