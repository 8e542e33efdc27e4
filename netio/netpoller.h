// The poller of a scheduler on epoll(7): edge-triggered, each file descriptor registered once for both directions.
//
// Invariants
// - A descriptor is registered when somebody first has to wait for it, and given up by forget() before its number is
//   closed or used again. Each registration has its own generation, which travels with its events: what the kernel
//   reports of an older one is dropped.
// - `registry_` guards registrations; readiness::lock_ guards who waits. Events are taken by the holder of the claim.
// - Pollers are pooled with their scheduler's core and never freed; nor are their descriptors.
#pragma once

#include "netio/fd_table.h"
#include "netio/readiness.h"
#include "sched/poller.h"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <system_error>

namespace csp::inline v0::detail {

class scheduler_core;

/// A file descriptor in one poller.
struct alignas(cache_line) descriptor {
  readiness in;
  readiness out;
  std::atomic<std::uint32_t> generation{0};
  std::atomic<bool> registered{false};  // written under the registry's lock
  std::atomic<bool> pollable{true};     // false for what epoll refuses: it is always ready
  std::atomic<bool> unusual{false};     // a hang-up or urgent data: a short read does not mean that all was read

  /// By direction: somebody has waited for it since the registration. Else its edges are not passed on.
  std::atomic<bool> wanted[2]{false, false};

  [[nodiscard]] readiness& side(io_direction way) noexcept { return way == io_direction::read ? in : out; }
  [[nodiscard]] std::atomic<bool>& wants(io_direction way) noexcept {
    return wanted[way == io_direction::read ? 0 : 1];
  }
};

class CSP_API netpoller final : public poller {
 public:
  /// The poller of the calling task's scheduler; in a plain thread, of the default one. Null when there is no
  /// scheduler, or when the system refuses an epoll instance (errno says why).
  [[nodiscard]] static netpoller* of_caller() noexcept;

  /// The entry of a number; null out of range and without memory. Any thread.
  [[nodiscard]] descriptor* at(int fd) noexcept {
    descriptor* const present = descriptors_.find(fd);
    return present != nullptr ? present : make_entry(fd);
  }

  /// Makes sure that edges of `fd` in this direction come in. `verify`: the number may have been closed and used again
  /// behind our back, so the kernel is asked, which also makes it report anew what is ready. An error: nobody will be
  /// told of anything; ECANCELED: the scheduler has stopped. Any thread.
  std::error_code watch(int fd, descriptor& entry, io_direction way, bool verify) noexcept {
    // acquire: pairs with the release in register_anew(); the events' generation has been chosen.
    if (entry.wants(way).load(std::memory_order_acquire) && !verify) [[likely]] {
      return {};
    }
    return register_anew(fd, entry, way, verify);
  }

  /// In all pollers: the number is about to be closed, or has just come from the kernel for something new. Who waits
  /// for it is told that it was closed. Any thread; cheap when nobody ever waited for it.
  static void forget(int fd) noexcept;

  /// In all pollers: who waits for this direction of `fd` looks again, for something else than readiness has changed.
  /// Any thread.
  static void nudge(int fd, io_direction way) noexcept;

  // The seam.
  void sleep_until(nanos deadline) noexcept override;
  void interrupt() noexcept override;
  void look() noexcept override;
  std::uint32_t deliver(processor* here) noexcept override;
  [[nodiscard]] bool anybody_waits() noexcept override;
  void shut() noexcept override;

 private:
  /// Events taken by one look: more would keep the first of them waiting for the last.
  static constexpr int most_events = 256;

  [[nodiscard]] static netpoller* of(scheduler_core& core) noexcept;
  /// Calls `visit(poller, entry)` for the entries of `fd` in all pollers.
  template <class Visit>
  static void for_each_entry(int fd, Visit visit) noexcept;
  [[nodiscard]] bool open() noexcept;
  void close() noexcept;
  void collect(nanos deadline, bool sleeps) noexcept;
  [[nodiscard]] descriptor* make_entry(int fd) noexcept;
  [[nodiscard]] std::error_code register_anew(int fd, descriptor& entry, io_direction way, bool verify) noexcept;
  void give_up(int fd, descriptor& entry, bool closed) noexcept;
  void dispatch(std::uint64_t key, std::uint32_t what) noexcept;

  std::mutex registry_;
  fd_table<descriptor> descriptors_;
  std::atomic<int> epoll_{-1};  // written under registry_
  std::mutex bell_lock_;
  int bell_ = -1;  // an eventfd that ends a sleep; guarded by bell_lock_
  relaxed<int> waited_for_;
  int found_ = 0;  // of the holder of the claim, as the events are
  alignas(16) std::byte events_[most_events * 16];
};

}  // namespace csp::inline v0::detail
