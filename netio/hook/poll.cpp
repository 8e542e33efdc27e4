// poll and select: the real call says what is ready; when nothing is, the task waits for an edge of any of them.
//
// Signal masks are ignored: libcsp's threads take no asynchronous signals, so there is nothing that one could let in.
#include "channel/select_engine.h"
#include "netio/hook/call_blocking.h"
#include "netio/hook/define.h"
#include "netio/network.h"
#include "netio/real.h"

#include <poll.h>
#include <sys/select.h>
#include <algorithm>
#include <climits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace csp::inline v0::detail::hook {
namespace {

constexpr nanos nanos_per_second = 1'000'000'000;
constexpr nanos nanos_per_millisecond = 1'000'000;
constexpr nanos nanos_per_microsecond = 1'000;
constexpr short readable = POLLIN | POLLPRI | POLLRDHUP | POLLRDNORM | POLLRDBAND;
constexpr short writable = POLLOUT | POLLWRNORM | POLLWRBAND;

// One number in one direction: waits for its edges as a reader or writer does.
int poll_one(pollfd& subject, io_direction way, nanos deadline) noexcept {
  io_options options;
  options.deadline = deadline;
  options.foreign = !is_known(subject.fd);
  options.sticky = true;
  io_operation operation(subject.fd, way, options);
  for (;;) {
    static_cast<void>(operation.begin_try());
    if (const int count = real::poll(&subject, 1, 0); count != 0) {
      operation.end_try(false);
      return count;
    }
    if (!wait_for(operation, subject.fd, way)) {
      return errno == EAGAIN ? real::poll(&subject, 1, 0) : -1;
    }
  }
}

// Several: a select over their watch channels.
class many_watched {
 public:
  many_watched(const pollfd* subjects, nfds_t count) {
    netpoller* const source = netpoller::of_caller();
    for (nfds_t i = 0; source != nullptr && i < count; ++i) {
      descriptor* const entry = subjects[i].fd >= 0 ? source->at(subjects[i].fd) : nullptr;
      if (entry == nullptr) {
        continue;
      }
      // A hang-up or an error is told in both directions.
      const bool writes = (subjects[i].events & writable) != 0;
      if (writes) {
        add(*source, subjects[i].fd, *entry, io_direction::write);
      }
      if (!writes || (subjects[i].events & readable) != 0) {
        add(*source, subjects[i].fd, *entry, io_direction::read);
      }
    }
    signals_.resize(channels_.size());
    arms_.reset(new select_arm[channels_.size()]);
    locks_.resize(channels_.size());
  }

  /// Before a look: signals from now on count.
  void clear() noexcept {
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      signals_[i].reset();
      static_cast<void>(channels_[i]->try_receive(signals_[i]));
    }
  }

  /// Waits for a signal; false at the deadline. Throws canceled.
  bool wait(nanos deadline) {
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      signals_[i].reset();
      arms_[i].target = channels_[i].get();
      arms_[i].way = select_arm::direction::receive;
      arms_[i].value = &signals_[i];
    }
    const stay_on_thread stay(true);
    return run_select({arms_.get(), channels_.size()}, locks_, {.deadline = deadline}, true) != select_timeout;
  }

 private:
  void add(netpoller& source, int fd, descriptor& entry, io_direction way) {
    // Refused: bad, or always ready, and the real poll says so.
    if (!source.watch(fd, entry, way, !is_known(fd))) {
      channels_.push_back(entry.side(way).watch());
    }
  }

  std::vector<channel_pointer<watch_channel>> channels_;
  std::vector<std::optional<io_signal>> signals_;
  std::unique_ptr<select_arm[]> arms_;
  std::vector<spinlock*> locks_;
};

int poll_many(pollfd* subjects, nfds_t count, nanos deadline) noexcept {
  try {
    many_watched watched(subjects, count);
    for (;;) {
      watched.clear();
      if (const int ready = real::poll(subjects, count, 0); ready != 0) {
        return ready;
      }
      if (!watched.wait(deadline)) {
        return real::poll(subjects, count, 0);
      }
    }
  } catch (const canceled&) {
    errno = ECANCELED;
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
  }
  return -1;
}

// `length` of the wait; `never` for no limit.
int poll_in_task(pollfd* subjects, nfds_t count, nanos length) noexcept {
  errno_guard keep;
  const int at_once = real::poll(subjects, count, 0);
  if (at_once != 0 || length == 0) {
    return keep(at_once);
  }
  if (const pollfd* const first =
          std::find_if(subjects, subjects + count, [](const pollfd& each) { return each.fd >= 0; });
      first != subjects + count && refuse_in_simulation("a poll of file descriptor " + std::to_string(first->fd))) {
    return -1;
  }
  const nanos deadline = add_saturating(current_time(), length);
  if (count == 1 && subjects[0].fd >= 0) {
    const bool reads = (subjects[0].events & readable) != 0;
    const bool writes = (subjects[0].events & writable) != 0;
    if (reads != writes) {
      return keep(poll_one(subjects[0], reads ? io_direction::read : io_direction::write, deadline));
    }
  }
  return keep(poll_many(subjects, count, deadline));
}

[[nodiscard]] nanos to_length(const timespec& value) noexcept {
  nanos whole = 0;
  return __builtin_mul_overflow(nanos{value.tv_sec}, nanos_per_second, &whole) ? never
                                                                               : add_saturating(whole, value.tv_nsec);
}

[[nodiscard]] bool is_valid(const timespec& value) noexcept {
  return value.tv_sec >= 0 && value.tv_nsec >= 0 && value.tv_nsec < nanos_per_second;
}

struct fd_sets {
  fd_set* read;
  fd_set* write;
  fd_set* error;
};

// select(2) by way of poll(2), with the correspondence that its man page gives.
int select_in_task(int count, const fd_sets& sets, nanos length) noexcept {
  const auto has = [](int fd, fd_set* set) { return set != nullptr && FD_ISSET(fd, set); };
  std::vector<pollfd> subjects;
  try {
    for (int fd = 0; fd < count; ++fd) {
      const auto events = static_cast<short>((has(fd, sets.read) ? POLLIN | POLLRDNORM | POLLRDBAND : 0) |
                                             (has(fd, sets.write) ? POLLOUT | POLLWRNORM | POLLWRBAND : 0) |
                                             (has(fd, sets.error) ? POLLPRI : 0));
      if (events != 0) {
        subjects.push_back({fd, events, 0});
      }
    }
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
    return -1;
  }
  const int ready = poll_in_task(subjects.data(), subjects.size(), length);
  if (ready < 0) {
    return -1;
  }
  for (const pollfd& subject : subjects) {
    if ((subject.revents & POLLNVAL) != 0) {
      errno = EBADF;
      return -1;
    }
  }
  int bits = 0;
  const auto settle = [&bits](const pollfd& subject, fd_set* set, int asked, int found) {
    if (set == nullptr || (subject.events & asked) == 0) {
      return;
    }
    if ((subject.revents & found) != 0) {
      ++bits;
    } else {
      FD_CLR(subject.fd, set);
    }
  };
  for (const pollfd& subject : subjects) {
    settle(subject, sets.read, POLLRDNORM, POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR);
    settle(subject, sets.write, POLLWRNORM, POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR);
    settle(subject, sets.error, POLLPRI, POLLPRI);
  }
  return bits;
}

[[nodiscard]] bool may_emulate_select(int count) noexcept { return in_task() && count >= 0 && count <= FD_SETSIZE; }

}  // namespace
}  // namespace csp::inline v0::detail::hook

namespace hook = csp::detail::hook;
namespace real = csp::detail::real;
using csp::detail::nanos;

extern "C" {

CSP_API int poll(pollfd* subjects, nfds_t count, int milliseconds) {
  if (!hook::in_task() || (subjects == nullptr && count != 0)) {
    return real::poll(subjects, count, milliseconds);
  }
  return hook::poll_in_task(subjects, count,
                            milliseconds < 0 ? csp::detail::never : milliseconds * hook::nanos_per_millisecond);
}

CSP_API int ppoll(pollfd* subjects, nfds_t count, const timespec* limit, const sigset_t* mask) {
  if (!hook::in_task() || (subjects == nullptr && count != 0) || (limit != nullptr && !hook::is_valid(*limit))) {
    return real::ppoll(subjects, count, limit, mask);
  }
  return hook::poll_in_task(subjects, count, limit != nullptr ? hook::to_length(*limit) : csp::detail::never);
}

CSP_API int select(int count, fd_set* read, fd_set* write, fd_set* error, timeval* limit) {
  const bool valid = limit == nullptr || (limit->tv_sec >= 0 && limit->tv_usec >= 0);
  if (!hook::may_emulate_select(count) || !valid) {
    return real::select(count, read, write, error, limit);
  }
  const nanos start = csp::detail::steady_now();
  const nanos length = limit == nullptr ? csp::detail::never
                                        : hook::to_length({limit->tv_sec + limit->tv_usec / 1'000'000,
                                                           limit->tv_usec % 1'000'000 * hook::nanos_per_microsecond});
  hook::errno_guard keep;
  const int result = keep(hook::select_in_task(count, {read, write, error}, length));
  if (limit != nullptr) {
    // As Linux does: what is left of the time.
    const nanos left = std::max<nanos>(length - (csp::detail::steady_now() - start), 0);
    limit->tv_sec = static_cast<std::time_t>(left / hook::nanos_per_second);
    limit->tv_usec = static_cast<suseconds_t>(left % hook::nanos_per_second / hook::nanos_per_microsecond);
  }
  return result;
}

CSP_API int pselect(int count, fd_set* read, fd_set* write, fd_set* error, const timespec* limit,
                    const sigset_t* mask) {
  if (!hook::may_emulate_select(count) || (limit != nullptr && !hook::is_valid(*limit))) {
    return real::pselect(count, read, write, error, limit, mask);
  }
  hook::errno_guard keep;
  return keep(hook::select_in_task(count, {read, write, error},
                                   limit != nullptr ? hook::to_length(*limit) : csp::detail::never));
}

}  // extern "C"

CSP_HOOK_ALIAS(__poll, poll);
CSP_HOOK_ALIAS(__select, select);
