// Spare processors: help for processors whose thread is stuck in one task. See monitor.h for who asks for them.

#include "sched/base/os_thread.h"
#include "sched/scheduler_core.h"

#include <system_error>

namespace csp::inline v0::detail {

bool scheduler_core::add_spare() noexcept {
  const unsigned base = settings_.processors;
  for (unsigned i = base; i < base + settings_.spares; ++i) {
    if (threads_[i].joinable()) {
      continue;
    }
    try {
      if (processors_[i].load(std::memory_order_relaxed) == nullptr) {
        allocate_processor(i, true);
      }
      at(i).retire_requested.set(false);
      if (active() < i + 1) {
        // seq_cst: counted before the thread starts, see processor::sleep().
        active_.store(i + 1, std::memory_order_seq_cst);
      }
      spares_running_.fetch_add(1, std::memory_order_seq_cst);
      try {
        threads_[i] = start_thread("csp-spare", [this, i] {
          run_thread(at(i));
          retired_[i].store(true, std::memory_order_release);
        });
      } catch (...) {
        spares_running_.fetch_sub(1, std::memory_order_seq_cst);
        throw;
      }
      return true;
    } catch (const std::exception&) {
      return false;  // no memory or no thread: the stuck processor's work waits on
    }
  }
  return false;
}

void scheduler_core::retire_one_spare() noexcept {
  for (unsigned i = active(); i-- > settings_.processors;) {
    if (threads_[i].joinable() && !at(i).retire_requested.get()) {
      at(i).retire_requested.set(true);
      at(i).wake();
      return;
    }
  }
}

void scheduler_core::reap_spares() noexcept {
  for (unsigned i = settings_.processors; i < active(); ++i) {
    // acquire: pairs with the release at the thread's end.
    if (threads_[i].joinable() && retired_[i].load(std::memory_order_acquire)) {
      threads_[i].join();
      threads_[i] = std::thread();
      retired_[i].store(false, std::memory_order_relaxed);
    }
  }
}

}  // namespace csp::inline v0::detail
