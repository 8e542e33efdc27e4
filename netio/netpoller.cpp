#include "netio/netpoller.h"

#include "netio/network.h"
#include "netio/real.h"
#include "sched/base/tls.h"
#include "sched/scheduler_core.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <new>
#include <utility>

namespace csp::inline v0::detail {
namespace {

/// The key of the eventfd that ends a sleep; no registration has it, for no descriptor has this number.
constexpr std::uint64_t bell_key = ~std::uint64_t{0};

/// Cores that can have a poller. Beyond, a scheduler has none, and waits fail with EMFILE.
constexpr std::size_t most_pollers = 1024;

// Pollers by the number of their core. Never freed.
constinit std::array<std::atomic<netpoller*>, most_pollers> pollers{};
constinit std::atomic<std::size_t> pollers_end{0};  // no poller is at this place or after it
constinit std::mutex pollers_lock;

/// How far ahead deliver() prefetches: some 50 ns an event, against some 100 ns from memory each.
constexpr int nodes_ahead = 4;
constexpr int descriptors_ahead = 8;

[[nodiscard]] constexpr int number_of(std::uint64_t key) noexcept {
  return static_cast<int>(static_cast<std::uint32_t>(key));
}
[[nodiscard]] constexpr std::uint64_t key_of(int fd, std::uint32_t generation) noexcept {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

/// Keeps errno as the caller had it: the poller works inside other people's calls.
class errno_keeper {
 public:
  errno_keeper() noexcept = default;
  ~errno_keeper() { errno = saved_; }
  errno_keeper(const errno_keeper&) = delete;
  errno_keeper& operator=(const errno_keeper&) = delete;

 private:
  const int saved_ = errno;
};

}  // namespace

// --- one for each scheduler
// -------------------------------------------------------------------------------------------

netpoller* netpoller::of_caller() noexcept {
  const processor* const here = this_processor();
  scheduler_core* const core = here != nullptr ? &here->core() : default_core();
  if (core == nullptr) {
    return nullptr;
  }
  if (poller* const present = core->io()) [[likely]] {
    return static_cast<netpoller*>(present);
  }
  return of(*core);
}

netpoller* netpoller::of(scheduler_core& core) noexcept {
  if (core.settings().simulated != nullptr) {
    errno = ENOTSUP;
    return nullptr;
  }
  const std::size_t at = core.number();
  if (at >= most_pollers) {
    errno = EMFILE;
    return nullptr;
  }
  const std::lock_guard guard(pollers_lock);
  netpoller* self = pollers[at].load(std::memory_order_relaxed);
  if (self == nullptr) {
    self = new (std::nothrow) netpoller;
    if (self == nullptr) {
      errno = ENOMEM;
      return nullptr;
    }
    // release: pairs with the acquire in forget().
    pollers[at].store(self, std::memory_order_release);
    pollers_end.store(std::max(pollers_end.load(std::memory_order_relaxed), at + 1), std::memory_order_release);
  }
  if (core.io() == nullptr) {
    if (!self->open()) {
      return nullptr;
    }
    if (!core.attach(*self)) {
      self->close();
      errno = ECANCELED;
      return nullptr;
    }
  }
  return self;
}

bool netpoller::open() noexcept {
  const std::lock_guard guard(registry_);
  const int epoll = real::epoll_create1(EPOLL_CLOEXEC);
  const int bell = epoll >= 0 ? real::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
  epoll_event event{};
  // Edge-triggered: each ring is an edge, so nobody has to read the bell.
  event.events = EPOLLIN | EPOLLET;
  event.data.u64 = bell_key;
  if (bell < 0 || real::epoll_ctl(epoll, EPOLL_CTL_ADD, bell, &event) != 0) {
    const int error = errno;
    for (const int fd : {epoll, bell}) {
      if (fd >= 0) real::close(fd);
    }
    errno = error;
    return false;
  }
  const std::lock_guard bell_guard(bell_lock_);
  bell_ = bell;
  epoll_.store(epoll, std::memory_order_relaxed);
  return true;
}

void netpoller::close() noexcept {
  const std::scoped_lock guard(registry_, bell_lock_);
  real::close(epoll_.exchange(-1, std::memory_order_relaxed));
  real::close(std::exchange(bell_, -1));
}

void netpoller::shut() noexcept {
  const errno_keeper keeper;
  close();
  descriptors_.any_of([this](int fd, descriptor& entry) {
    give_up(fd, entry, false);
    return false;
  });
}

// --- registrations
// ----------------------------------------------------------------------------------------------------

descriptor* netpoller::make_entry(int fd) noexcept {
  try {
    return descriptors_.get(fd);
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

std::error_code netpoller::register_anew(int fd, descriptor& entry, io_direction way, bool verify) noexcept {
  const errno_keeper keeper;
  bool first = false;
  {
    const std::lock_guard guard(registry_);
    const bool registered = entry.registered.load(std::memory_order_relaxed);
    const int epoll = epoll_.load(std::memory_order_relaxed);
    if (epoll < 0) {
      return {ECANCELED, std::generic_category()};
    }
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;
    event.data.u64 = key_of(fd, entry.generation.load(std::memory_order_relaxed));
    int done = -1;
    // Before the kernel is asked: what it reports from now on is passed on.
    const bool wanted = entry.wants(way).exchange(true, std::memory_order_seq_cst);
    if (registered) {
      if (wanted && !verify) {
        return {};
      }
      // The kernel reports anew what is ready; or says ENOENT, when the number stands for another file by now.
      done = real::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
    }
    if (!registered || (done != 0 && errno == ENOENT)) {
      done = real::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
      if (done != 0 && errno == EEXIST) {  // left behind by a duplicate of a closed number
        done = real::epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
      }
    }
    if (done != 0) {
      const int error = errno;
      entry.wants(way).store(wanted, std::memory_order_release);
      entry.side(way).nudge();  // who has relied on it meanwhile finds out as well
      return {error, std::generic_category()};
    }
    if (!registered) {
      entry.unusual.store(false, std::memory_order_relaxed);
      entry.registered.store(true, std::memory_order_release);
      // seq_cst: a processor that goes to sleep sees it, or is seen in the idle set by the wake below.
      first = watched_.fetch_add(1, std::memory_order_seq_cst) == 0;
    }
  }
  if (first && this_processor() == nullptr) {
    // All processors may sleep on their futexes: one of them must sleep here.
    if (scheduler_core* const core = default_core()) core->notify_from_outside();
  }
  return {};
}

void netpoller::give_up(int fd, descriptor& entry, bool closed) noexcept {
  if (!entry.registered.load(std::memory_order_acquire)) {
    return;
  }
  {
    const std::lock_guard guard(registry_);
    if (!entry.registered.load(std::memory_order_relaxed)) {
      return;
    }
    entry.registered.store(false, std::memory_order_release);
    entry.wants(io_direction::read).store(false, std::memory_order_release);
    entry.wants(io_direction::write).store(false, std::memory_order_release);
    entry.generation.fetch_add(1, std::memory_order_relaxed);
    watched_.fetch_sub(1, std::memory_order_relaxed);
    // A duplicate would keep the registration alive. For a number that stands for something new it fails, as it should.
    if (const int epoll = epoll_.load(std::memory_order_relaxed); epoll >= 0) {
      static_cast<void>(real::epoll_ctl(epoll, EPOLL_CTL_DEL, fd, nullptr));
    }
  }
  entry.in.evict(closed);
  entry.out.evict(closed);
}

template <class Visit>
void netpoller::for_each_entry(int fd, Visit visit) noexcept {
  // acquire: pairs with the release in of().
  const std::size_t end = pollers_end.load(std::memory_order_acquire);
  for (std::size_t at = 0; at < end; ++at) {
    netpoller* const self = pollers[at].load(std::memory_order_acquire);
    descriptor* const entry = self != nullptr ? self->descriptors_.find(fd) : nullptr;
    if (entry != nullptr) {
      visit(*self, *entry);
    }
  }
}

namespace {

/// The entry of a simulated socket of the caller's simulation; else null.
[[nodiscard]] descriptor* simulated_entry(int fd) noexcept {
  network* const net = network_of_caller();
  return net != nullptr ? net->at(fd) : nullptr;
}

}  // namespace

void netpoller::forget(int fd) noexcept {
  if (is_simulated(fd)) {
    if (descriptor* const entry = simulated_entry(fd)) {
      entry->in.evict(true);
      entry->out.evict(true);
    }
    return;
  }
  for_each_entry(fd, [fd](netpoller& self, descriptor& entry) {
    const errno_keeper keeper;
    self.give_up(fd, entry, true);
  });
}

void netpoller::nudge(int fd, io_direction way) noexcept {
  if (is_simulated(fd)) {
    if (descriptor* const entry = simulated_entry(fd)) {
      entry->side(way).nudge();
    }
    return;
  }
  for_each_entry(fd, [way](netpoller&, descriptor& entry) { entry.side(way).nudge(); });
}

// --- events
// -----------------------------------------------------------------------------------------------------------

void netpoller::collect(nanos deadline, bool sleeps) noexcept {
  static_assert(sizeof(epoll_event) <= 16);
  constexpr nanos nanos_per_second = 1'000'000'000;
  constexpr nanos nanos_per_millisecond = 1'000'000;
  const errno_keeper keeper;
  auto* const events = reinterpret_cast<epoll_event*>(events_);
  const int epoll = epoll_.load(std::memory_order_relaxed);
  const nanos rest = !sleeps || deadline == never ? 0 : std::max(deadline - steady_now(), nanos{0});
  int count = 0;
  if (!sleeps || rest == 0) {
    count = real::epoll_wait(epoll, events, most_events, sleeps && deadline == never ? -1 : 0);
  } else {
    const timespec limit{static_cast<std::time_t>(rest / nanos_per_second), static_cast<long>(rest % nanos_per_second)};
    count = static_cast<int>(::syscall(SYS_epoll_pwait2, epoll, events, most_events, &limit, nullptr, 0));
    if (count < 0 && errno == ENOSYS) {  // before Linux 5.11
      const nanos milliseconds = (rest + nanos_per_millisecond - 1) / nanos_per_millisecond;
      count = real::epoll_wait(epoll, events, most_events, static_cast<int>(std::min<nanos>(milliseconds, INT_MAX)));
    }
  }
  found_ = std::max(count, 0);
}

void netpoller::sleep_until(nanos deadline) noexcept { collect(deadline, true); }

void netpoller::look() noexcept { collect(never, false); }

void netpoller::interrupt() noexcept {
  const errno_keeper keeper;
  constexpr std::uint64_t one = 1;
  // Under the lock, for whoever rings late must not write to what has the bell's number by then.
  const std::lock_guard guard(bell_lock_);
  if (bell_ >= 0) {
    static_cast<void>(real::write(bell_, &one, sizeof one));
  }
}

std::uint32_t netpoller::deliver(processor* here) noexcept {
  const auto* const events = reinterpret_cast<const epoll_event*>(events_);
  std::uint32_t count = 0;
  if (here != nullptr) {
    here->begin_delivery();
  }
  // The descriptor, and then the node on the waiting stack, are brought from memory some events ahead: with a thousand
  // connections each is a cache miss, and the stack a miss of the address translation besides.
  const auto descriptor_of = [this, events](int i) {
    return i < found_ ? descriptors_.find(number_of(events[i].data.u64)) : nullptr;
  };
  for (int i = 0; i < found_; ++i) {
    __builtin_prefetch(descriptor_of(i + descriptors_ahead));
    if (const descriptor* const soon = descriptor_of(i + nodes_ahead)) {
      soon->in.prefetch();
    }
    if (events[i].data.u64 != bell_key) {
      dispatch(events[i].data.u64, events[i].events);
      ++count;
    }
  }
  found_ = 0;
  if (here != nullptr) {
    here->end_delivery(count > 1);
  }
  return count;
}

void netpoller::dispatch(std::uint64_t key, std::uint32_t what) noexcept {
  descriptor* const entry = descriptors_.find(number_of(key));
  if (entry == nullptr || entry->generation.load(std::memory_order_relaxed) != static_cast<std::uint32_t>(key >> 32)) {
    return;  // of a registration that was given up meanwhile
  }
  constexpr std::uint32_t over = EPOLLHUP | EPOLLERR;
  if ((what & (over | EPOLLRDHUP | EPOLLPRI)) != 0) {
    entry->unusual.store(true, std::memory_order_relaxed);
  }
  // A descriptor is writable most of the time, and each event says so.
  const auto concerns = [entry, what](io_direction way, std::uint32_t events) {
    return (what & events) != 0 && entry->wants(way).load(std::memory_order_seq_cst);
  };
  if (concerns(io_direction::read, EPOLLIN | EPOLLRDHUP | EPOLLPRI | over)) {
    entry->in.signal();
  }
  if (concerns(io_direction::write, EPOLLOUT | over)) {
    entry->out.signal();
  }
}

bool netpoller::anybody_waits() noexcept {
  const auto has_waiter = [this](int fd, descriptor& entry) {
    const bool found =
        entry.registered.load(std::memory_order_relaxed) && (entry.in.anybody_waits() || entry.out.anybody_waits());
    if (found) {
      waited_for_.set(fd);
    }
    return found;
  };
  if (!in_use()) {
    return false;
  }
  // Most often it is the one that was found the last time.
  descriptor* const likely = descriptors_.find(waited_for_.get());
  return (likely != nullptr && has_waiter(waited_for_.get(), *likely)) || descriptors_.any_of(has_waiter);
}

}  // namespace csp::inline v0::detail
