#include "netio/signal_hub.h"

#include "netio/netpoller.h"
#include "netio/real.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cerrno>
#include <system_error>
#include <utility>

namespace csp::inline v0::detail {
namespace {

[[noreturn]] void throw_last_error(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

}  // namespace

signal_hub& signal_hub::instance() {
  // Never destroyed: a handler may run while static objects go.
  static auto* const hub = new signal_hub;
  return *hub;
}

// Async-signal-safe: atomics and write(2).
void signal_hub::on_signal(int number) noexcept {
  const int error = errno;
  signal_hub& hub = instance();
  hub.raised_.fetch_or(signal_bit(number), std::memory_order_seq_cst);
  // seq_cst: whoever closes the bell sees us inside, or we see that it has gone.
  hub.inside_handler_.fetch_add(1, std::memory_order_seq_cst);
  if (const int bell = hub.bell_.load(std::memory_order_seq_cst); bell >= 0) {
    constexpr std::uint64_t one = 1;
    static_cast<void>(real::write(bell, &one, sizeof one));
  }
  hub.inside_handler_.fetch_sub(1, std::memory_order_seq_cst);
  errno = error;
}

// --- attendants
// ------------------------------------------------------------------------------------------------------

void signal_hub::attend() {
  const std::lock_guard guard(lock_);
  if (attendants_ == 0) {
    sigset_t none;
    sigemptyset(&none);
    const int bell = real::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    const int pending = bell >= 0 ? real::signalfd(-1, &none, SFD_NONBLOCK | SFD_CLOEXEC) : -1;
    if (pending < 0) {
      const int error = errno;
      if (bell >= 0) real::close(bell);
      errno = error;
      throw_last_error("csp::signals");
    }
    netpoller::forget(bell);
    netpoller::forget(pending);
    static_cast<void>(real::write(bell, nullptr, 0));  // the handler must not be the first to look write(2) up
    pending_ = pending;
    raised_.store(0, std::memory_order_relaxed);
    bell_.store(bell, std::memory_order_seq_cst);
  }
  ++attendants_;
}

void signal_hub::leave() noexcept {
  const std::lock_guard guard(lock_);
  if (--attendants_ != 0) {
    return;
  }
  const int bell = bell_.exchange(-1, std::memory_order_seq_cst);
  while (inside_handler_.load(std::memory_order_seq_cst) != 0) {
    ::sched_yield();  // another thread is between two instructions of its handler
  }
  for (const int fd : {bell, std::exchange(pending_, -1)}) {
    netpoller::forget(fd);
    real::close(fd);
  }
}

// --- subscribers
// -----------------------------------------------------------------------------------------------------

void signal_hub::subscribe(signal_subscription& subscriber) {
  const std::lock_guard guard(lock_);
  subscribers_.push_back(&subscriber);
  for (int number = 1; number <= most_signals; ++number) {
    const auto at = static_cast<std::size_t>(number - 1);
    if ((subscriber.wanted & signal_bit(number)) == 0 || wanted_by_[at]++ != 0) {
      continue;
    }
    struct sigaction ours {};
    ours.sa_handler = &on_signal;
    ours.sa_flags = SA_RESTART;
    sigfillset(&ours.sa_mask);
    if (::sigaction(number, &ours, &before_[at]) != 0) {
      const int error = errno;
      --wanted_by_[at];
      for (int done = number - 1; done > 0; --done) {
        if ((subscriber.wanted & signal_bit(done)) != 0) restore(done);
      }
      subscribers_.pop_back();
      errno = error;
      throw_last_error("csp::signals");
    }
  }
  publish_wanted();
}

void signal_hub::unsubscribe(signal_subscription& subscriber) noexcept {
  const std::lock_guard guard(lock_);
  if (std::erase(subscribers_, &subscriber) == 0) {
    return;
  }
  subscriber.target->close();
  for (int number = 1; number <= most_signals; ++number) {
    if ((subscriber.wanted & signal_bit(number)) != 0) restore(number);
  }
  publish_wanted();
}

/// One subscriber less; the last one's former disposition comes back, unless somebody has set another since.
void signal_hub::restore(int number) noexcept {
  const auto at = static_cast<std::size_t>(number - 1);
  struct sigaction now {};
  if (--wanted_by_[at] == 0 && ::sigaction(number, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) == 0 &&
      now.sa_handler == &on_signal) {
    ::sigaction(number, &before_[at], nullptr);
  }
}

void signal_hub::publish_wanted() noexcept {
  signal_set all = 0;
  for (const signal_subscription* const each : subscribers_) all |= each->wanted;
  // The descriptor is readable at once when one of them is pending. Past the C library, because TSan takes its function
  // for the making of a new descriptor; the kernel's set is a word as well.
  static_cast<void>(::syscall(SYS_signalfd4, pending_, &all, sizeof all, 0));
}

// --- delivery
// --------------------------------------------------------------------------------------------------------

bool signal_hub::collect(const signal_subscription& own) noexcept {
  const std::lock_guard guard(lock_);
  std::uint64_t rings = 0;
  static_cast<void>(real::read(bell(), &rings, sizeof rings));
  // seq_cst, and after the bell: who raises something from here on rings after it.
  signal_set came = raised_.exchange(0, std::memory_order_seq_cst);
  // One read: when they come faster than we go, what there is must be handed on now and then.
  std::array<signalfd_siginfo, 16> taken;
  const ssize_t bytes = real::read(pending_, taken.data(), sizeof taken);
  for (std::size_t i = 0; bytes > 0 && i < static_cast<std::size_t>(bytes) / sizeof taken[0]; ++i) {
    came |= signal_bit(static_cast<int>(taken[i].ssi_signo));
  }
  for (signal_subscription* const each : subscribers_) send(*each, came);
  return own.unsent != 0;
}

void signal_hub::send(signal_subscription& subscriber, signal_set came) noexcept {
  const signal_set due = (came & subscriber.wanted) | std::exchange(subscriber.unsent, 0);
  for (int number = 1; number <= most_signals; ++number) {
    int value = number;
    if ((due & signal_bit(number)) != 0 && subscriber.target->try_send(value) == op_status::would_block) {
      subscriber.unsent |= signal_bit(number);
    }
  }
}

}  // namespace csp::inline v0::detail
