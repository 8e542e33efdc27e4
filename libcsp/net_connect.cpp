// Connecting: one address, or several that race (RFC 8305, "Happy Eyeballs").
#include <libcsp/net_stream.h>

#include "channel/select_engine.h"
#include "netio/fd_watch.h"
#include "netio/outcome.h"
#include "netio/real.h"
#include "netio/socket_calls.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <vector>

namespace csp::inline v0::net {
namespace {

using detail::io_direction;
using detail::nanos;
using detail::shared_fd;
using detail::shared_fd_owner;

/// A fresh socket that can be connected to `peer`.
[[nodiscard]] result<shared_fd_owner> socket_for(const address& peer) {
  const int fd = detail::outcome_of(detail::sockets::make(peer.family(), SOCK_STREAM));
  if (fd < 0) {
    return detail::error_in(fd);
  }
  if (peer.family() != AF_UNIX) {
    static_cast<void>(detail::sockets::set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1));
  }
  return shared_fd::adopt(fd);
}

/// connect(2), called again until it is decided: an outcome of 0, or of EINPROGRESS while it goes on.
[[nodiscard]] int advance(int fd, const address& peer) noexcept {
  const int outcome = detail::outcome_of(detail::sockets::connect(fd, peer.native(), peer.native_length()));
  switch (-outcome) {
    case EISCONN:
      return 0;
    case EALREADY:
    case EINTR:
      return -EINPROGRESS;
    default:
      return outcome;
  }
}

// --- one address
// -----------------------------------------------------------------------------------------------------

[[nodiscard]] ssize_t connect_tcp(shared_fd& fd, const address& peer) {
  return fd.retry(io_direction::write, 0, [&peer](int number) -> ssize_t {
    const int outcome = advance(number, peer);
    return outcome == -EINPROGRESS ? -EAGAIN : outcome;
  });
}

/// A unix listener with a full backlog says EAGAIN, and tells nobody when there is room (unix(7)).
[[nodiscard]] ssize_t connect_unix(shared_fd& fd, const address& peer) {
  constexpr nanos shortest_pause = 1'000'000;
  constexpr nanos longest_pause = 64'000'000;
  constexpr ssize_t busy = 1;
  for (nanos pause = shortest_pause;; pause = std::min(2 * pause, longest_pause)) {
    const ssize_t outcome = fd.retry(io_direction::write, 0, [&](int number) -> ssize_t {
      const int answer = advance(number, peer);
      return answer == -EAGAIN ? busy : answer;
    });
    if (outcome != busy) {
      return outcome;
    }
    const nanos when = detail::add_saturating(detail::current_time(), pause);
    if (const int error = fd.pause(io_direction::write, when)) {
      return error;
    }
  }
}

// --- several
// ---------------------------------------------------------------------------------------------------------

/// Families in turn, beginning with the first one's; otherwise in their order (RFC 8305, section 4).
[[nodiscard]] std::vector<address> interleaved(std::span<const address> addresses) {
  std::vector<address> first;
  std::vector<address> second;
  for (const address& each : addresses) {
    (each.family() == addresses.front().family() ? first : second).push_back(each);
  }
  std::vector<address> ordered;
  for (std::size_t i = 0; i < first.size() || i < second.size(); ++i) {
    if (i < first.size()) ordered.push_back(first[i]);
    if (i < second.size()) ordered.push_back(second[i]);
  }
  return ordered;
}

class race {
 public:
  race(std::span<const address> addresses, const connect_options& options)
      : addresses_(interleaved(addresses)),
        deadline_(detail::to_nanos(options.deadline)),
        delay_(detail::to_nanos(options.attempt_delay)) {}

  [[nodiscard]] result<stream> run() {
    for (;;) {
      detail::cancellation_point();
      const nanos now = detail::current_time();
      if (now >= deadline_) {
        return std::make_error_code(std::errc::timed_out);
      }
      if (next_ < addresses_.size() && (pending_.empty() || now >= next_start_)) {
        begin(now);
      } else if (pending_.empty()) {
        return error_;
      } else {
        wait(next_ < addresses_.size() ? std::min(deadline_, next_start_) : deadline_);
        look();
      }
      if (winner_) {
        return stream(std::move(winner_));
      }
    }
  }

 private:
  struct attempt {
    const address* peer;
    shared_fd_owner fd;
  };

  void begin(nanos now) {
    const address& peer = addresses_[next_++];
    next_start_ = detail::add_saturating(now, delay_);
    auto fd = socket_for(peer);
    if (!fd) {
      error_ = fd.error();
      next_start_ = now;
    } else {
      judge(attempt{&peer, std::move(*fd)});
    }
  }

  /// Sorts an attempt into the winner, those that go on, or the failed.
  void judge(attempt each) {
    const int outcome = advance(each.fd->number(), *each.peer);
    if (outcome == 0) {
      winner_ = std::move(each.fd);
    } else if (outcome == -EINPROGRESS) {
      pending_.push_back(std::move(each));
    } else {
      error_ = detail::error_in(outcome);
      next_start_ = 0;  // no need to wait for this one
    }
  }

  void look() {
    std::vector<attempt> looked = std::exchange(pending_, {});
    for (attempt& each : looked) {
      if (!winner_) judge(std::move(each));
    }
  }

  /// Waits until one of the attempts may be decided, or until `limit`.
  void wait(nanos limit) {
    if (!detail::fd_watch::is_possible()) {
      wait_in_thread(limit);
      return;
    }
    const std::size_t count = pending_.size();
    std::vector<detail::fd_watch> watches;
    std::vector<std::optional<detail::io_signal>> values(count);
    std::vector<detail::select_arm> arms(count);
    std::vector<detail::spinlock*> locks(count);
    watches.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      watches.emplace_back(pending_[i].fd->number(), io_direction::write).prepare();
      arms[i].target = watches[i].channel();
      arms[i].value = &values[i];
      arms[i].way = detail::select_arm::direction::receive;
    }
    static_cast<void>(detail::run_select(arms, locks, {.deadline = limit}, true));
  }

  void wait_in_thread(nanos limit) const {
    constexpr nanos nanos_per_millisecond = 1'000'000;
    std::vector<pollfd> subjects;
    for (const attempt& each : pending_) subjects.push_back({each.fd->number(), POLLOUT, 0});
    const nanos rest = limit == detail::never ? detail::never : std::max<nanos>(limit - detail::steady_now(), 0);
    const nanos milliseconds = rest / nanos_per_millisecond + 1;
    static_cast<void>(
        detail::real::poll(subjects.data(), subjects.size(),
                           rest == detail::never || milliseconds > INT_MAX ? -1 : static_cast<int>(milliseconds)));
  }

  const std::vector<address> addresses_;
  const nanos deadline_;
  const nanos delay_;
  std::size_t next_ = 0;  // the next address to try
  nanos next_start_ = 0;  // and when
  std::vector<attempt> pending_;
  shared_fd_owner winner_;
  std::error_code error_;  // of the last attempt that failed
};

}  // namespace

result<stream> connect(const address& peer, const connect_options& options) {
  detail::cancellation_point();
  auto fd = socket_for(peer);
  if (!fd) {
    return fd.error();
  }
  shared_fd& line = *fd->get();
  line.set_deadline(io_direction::write, detail::to_nanos(options.deadline));
  const ssize_t outcome = peer.family() == AF_UNIX ? connect_unix(line, peer) : connect_tcp(line, peer);
  if (outcome != 0) {
    return detail::error_in(outcome);
  }
  line.set_deadline(io_direction::write, detail::never);
  return stream(std::move(*fd));
}

result<stream> connect(std::span<const address> addresses, const connect_options& options) {
  if (addresses.empty()) {
    return std::make_error_code(std::errc::invalid_argument);
  }
  return addresses.size() == 1 ? connect(addresses.front(), options) : race(addresses, options).run();
}

result<stream> connect(std::string_view host, std::string_view service, const connect_options& options) {
  const auto addresses = resolve(host, service, options.deadline);
  if (!addresses) {
    return addresses.error();
  }
  return connect(std::span<const address>(*addresses), options);
}

result<stream> connect(std::string_view host, std::uint16_t port, const connect_options& options) {
  return connect(host, std::to_string(port), options);
}

}  // namespace csp::inline v0::net
