#include "netio/shared_fd.h"

#include "netio/real.h"
#include "netio/socket_calls.h"
#include "sched/park.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <algorithm>
#include <climits>
#include <memory>
#include <new>

namespace csp::inline v0::detail {

void shared_fd_owner::reset() noexcept {
  if (target_ != nullptr) {
    std::exchange(target_, nullptr)->drop();
  }
}

shared_fd_owner shared_fd::adopt(int fd) {
  // Whoever had the number before may have left something behind.
  netpoller::forget(fd);
  auto* const self = new (std::nothrow) shared_fd(fd);
  if (self == nullptr) {
    sockets::close(fd);
    throw std::bad_alloc();
  }
  return shared_fd_owner(self);
}

shared_fd::transport shared_fd::find_transport() noexcept {
  const int error = errno;
  int protocol = 0;
  static_cast<void>(sockets::option(fd_, SOL_SOCKET, SO_PROTOCOL, &protocol));
  const transport found = protocol == IPPROTO_TCP ? transport::tcp : transport::other;
  transport_.set(found);
  errno = error;
  return found;
}

// --- the end
// ----------------------------------------------------------------------------------------------------------

int shared_fd::shut(std::uint64_t how) noexcept {
  std::uint64_t seen = word_.load(std::memory_order_relaxed);
  do {
    if ((seen & closed_bit) != 0) {
      return -1;
    }
    // It counts as an operation itself. [SH2] release: pairs with [SH1] and [SH4]. acquire: pairs with [SH4]; who is
    // under way and does not see the bit there has made its place in a poller, or its bell, visible before.
  } while (!word_.compare_exchange_weak(seen, (seen | closed_bit | how) + 1, std::memory_order_acq_rel,
                                        std::memory_order_relaxed));
  const int error = errno;
  const int fd = fd_;
  netpoller::forget(fd);
  if ((seen & count_mask) != 0) {
    // forget() passes over a number that is only just being registered, by another reader, say.
    netpoller::nudge(fd, io_direction::read);
    netpoller::nudge(fd, io_direction::write);
    ring();
  }
  leave();
  errno = error;
  return fd;
}

void shared_fd::leave_closed(std::uint64_t before) noexcept {
  if ((before & count_mask) != 1) {
    return;
  }
  // Nobody can enter any more, so this happens once. Of this and drop(), the later one frees the memory.
  if ((before & released_bit) == 0) {
    const int error = errno;
    // An operation that was under way may have registered the number once more.
    netpoller::forget(fd_);
    sockets::close(fd_);
    errno = error;
  }
  if ((word_.fetch_or(ended_bit, std::memory_order_acq_rel) & owned_bit) == 0) {
    delete this;
  }
}

void shared_fd::drop() noexcept {
  static_cast<void>(close());
  if ((word_.fetch_and(~owned_bit, std::memory_order_acq_rel) & ended_bit) != 0) {
    delete this;
  }
}

// --- waiting
// ------------------------------------------------------------------------------------------------------

void shared_fd::set_deadline(io_direction way, nanos deadline) noexcept {
  // [SH5] release: pairs with [SH6].
  deadlines_[index(way)].store(deadline, std::memory_order_release);
  // As in shut(): who waits and has not seen the new deadline is visible here.
  const std::uint64_t seen = word_.fetch_add(0, std::memory_order_acq_rel);
  if ((seen & count_mask) != 0 && (seen & closed_bit) == 0) {
    netpoller::nudge(fd_, way);
    ring();
  }
}

int shared_fd::check_limit(io_direction way) const noexcept {
  const nanos limit = deadline(way);
  return limit == never || current_time() < limit ? 0 : -ETIMEDOUT;
}

int shared_fd::check_open() noexcept {
  // [SH4] acq_rel: pairs with [SH2]. Either this comes first, and then whoever closes, or sets a deadline, finds our
  // place and wakes us; or we see what it did.
  return (word_.fetch_add(0, std::memory_order_acq_rel) & closed_bit) == 0 ? 0 : -EBADF;
}

int shared_fd::judge(io_wait outcome, io_direction way) const {
  switch (outcome) {
    case io_wait::ready:
      return 0;
    case io_wait::timeout:
      return check_time(way);  // it may have been put off meanwhile
    case io_wait::closed:
      return -EBADF;
    case io_wait::canceled:
      throw canceled();
    case io_wait::failed:
      break;
  }
  return -last_errno();
}

int shared_fd::wait_unwatched(io_operation& operation, io_direction way, io_options& options) {
  switch (operation.prepare()) {
    case io_place::thread:
      return wait_in_thread(way, way == io_direction::read ? POLLIN : POLLOUT, never);
    case io_place::nowhere:
      return -last_errno();
    case io_place::poller:
      break;
  }
  if (const int error = check_open()) {
    return error;
  }
  options.deadline = deadline(way);
  return judge(operation.wait(), way);
}

int shared_fd::pause(io_direction way, nanos when) {
  cancellation_point();
  const visit here(*this);
  if (!here) {
    return -EBADF;
  }
  io_options options;
  io_operation operation(fd_, way, options);
  int error = 0;
  while (error == 0 && current_time() < when) {
    static_cast<void>(operation.begin_try());
    const io_place place = operation.prepare();
    error = place == io_place::nowhere ? -last_errno() : check_open();
    if (error == 0 && place == io_place::thread) {
      error = wait_in_thread(way, 0, when);
    } else if (error == 0) {
      options.deadline = std::min(when, deadline(way));
      error = judge(operation.wait(), way);
    }
  }
  operation.end_try(false);  // the edges that woke us are for the others in line
  return error;
}

void shared_fd::give_turn() {
  in_a_row_.set(0);
  if (this_processor() != nullptr) {
    yield();
  }
}

// --- plain threads without a scheduler
// --------------------------------------------------------------------------------

int shared_fd::wait_in_thread(io_direction way, short events, nanos limit) {
  /// How often a thread looks that nobody can wake because there is no descriptor left for its bell.
  constexpr nanos patience_without_bell = 100'000'000;
  constexpr nanos nanos_per_second = 1'000'000'000;
  bell own;
  own.fd = real::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  {
    const std::lock_guard guard(bells_lock_);
    own.next = bells_;
    bells_ = &own;
  }
  int count = 0;
  if (!is_closed()) {
    // Whoever closes it or changes the deadline from now on rings.
    limit = std::min(limit, deadline(way));
    nanos rest = limit == never ? never : std::max<nanos>(limit - steady_now(), 0);
    rest = own.fd < 0 ? std::min(rest, patience_without_bell) : rest;
    const timespec length{static_cast<std::time_t>(rest / nanos_per_second),
                          static_cast<long>(rest % nanos_per_second)};
    pollfd subjects[2] = {{fd_, events, 0}, {own.fd, POLLIN, 0}};
    count = real::ppoll(subjects, 2, rest == never ? nullptr : &length, nullptr);
  }
  const int error = count < 0 ? errno : 0;
  {
    const std::lock_guard guard(bells_lock_);
    bell** at = &bells_;
    while (*at != &own) at = &(*at)->next;
    *at = own.next;
  }
  if (own.fd >= 0) {
    real::close(own.fd);
  }
  if (is_closed()) {
    return -EBADF;
  }
  if (count == 0) {
    return check_time(way);
  }
  return error == EINTR ? 0 : -error;
}

void shared_fd::ring() noexcept {
  constexpr std::uint64_t one = 1;
  const std::lock_guard guard(bells_lock_);
  for (const bell* each = bells_; each != nullptr; each = each->next) {
    if (each->fd >= 0) static_cast<void>(real::write(each->fd, &one, sizeof one));
  }
}

}  // namespace csp::inline v0::detail
