#include "netio/sim/simulated_network.h"

#include "sched/base/tls.h"
#include "sched/processor.h"
#include "sched/sim/simulation.h"

#include <netinet/in.h>
#include <atomic>
#include <cerrno>

namespace csp::inline v0::detail::sim {
namespace {

/// A number that no socket of this process has had, for as long as there are any.
[[nodiscard]] int next_number() noexcept {
  static std::atomic<std::uint32_t> given{0};
  constexpr std::uint32_t numbers = std::uint32_t{1} << 30;
  return first_simulated_fd + static_cast<int>(given.fetch_add(1, std::memory_order_relaxed) % numbers);
}

/// A place to send to; any address stands for this host.
[[nodiscard]] std::optional<place> target_from(const sockaddr* name, socklen_t length) {
  auto target = place::from_native(name, length);
  if (target && target->family != AF_UNIX && target->address.is_any()) {
    if (target->address.is_ipv4()) {
      target->address = host_address::ipv4(127, 0, 0, 1);
    } else {
      target->address.bytes.back() = 1;
    }
  }
  return target;
}

}  // namespace

simulated_network::simulated_network(simulation& simulated) : world(simulated), simulated_(simulated) {
  hosts_.push_back(host_address::ipv4(192, 0, 2, 1));
  simulated_.attach(this, &world.events());
}

simulated_network::~simulated_network() { simulated_.attach(nullptr, nullptr); }

// --- who and where
// ---------------------------------------------------------------------------------------------------

simulated_socket* simulated_network::find(int fd) const noexcept {
  const auto found = numbers_.find(fd);
  return found != numbers_.end() ? found->second : nullptr;
}

stream_socket* simulated_network::find_stream(int fd) const noexcept {
  simulated_socket* const found = find(fd);
  return found != nullptr && found->type == SOCK_STREAM ? static_cast<stream_socket*>(found) : nullptr;
}

int simulated_network::add(simulated_socket& fresh) {
  const int number = next_number();
  numbers_.emplace(number, &fresh);
  return number;
}

const host_address& simulated_network::caller_host() const noexcept {
  return hosts_[this_processor()->current()->host];
}

std::uint32_t simulated_network::number_of(const host_address& host) {
  const auto found = std::find(hosts_.begin(), hosts_.end(), host);
  const auto number = static_cast<std::uint32_t>(found - hosts_.begin());
  if (found == hosts_.end()) {
    hosts_.push_back(host);
  }
  return number;
}

// --- making
// ----------------------------------------------------------------------------------------------------------

int simulated_network::make_socket(int family, int type) {
  const bool inet = family == AF_INET || family == AF_INET6;
  if (!inet && family != AF_UNIX) {
    return -EAFNOSUPPORT;
  }
  if (type == SOCK_DGRAM && inet) {
    return add(sockets.make_datagram(family));
  }
  if (type != SOCK_STREAM) {
    return -ESOCKTNOSUPPORT;
  }
  stream_socket& made = sockets.make_stream(family);
  made.host = caller_host();
  return add(made);
}

int simulated_network::make_pair(std::span<int, 2> ends) {
  stream_socket& first = sockets.make_stream(AF_UNIX);
  stream_socket& second = sockets.make_stream(AF_UNIX);
  first.peer.family = second.peer.family = AF_UNIX;
  stream_socket::join(first, second);
  ends[0] = add(first);
  ends[1] = add(second);
  return 0;
}

int simulated_network::bind(int fd, const sockaddr* name, socklen_t length) {
  simulated_socket& subject = *find(fd);
  const auto where = place::from_native(name, length);
  return where ? sockets.bind(subject, *where, caller_host()) : -EINVAL;
}

int simulated_network::listen(int fd, int backlog) {
  stream_socket* const subject = find_stream(fd);
  if (subject == nullptr) {
    return -EOPNOTSUPP;
  }
  if (!subject->bound) {
    if (subject->local.family == AF_UNIX) {
      return -EINVAL;
    }
    place any;
    any.family = subject->local.family;
    any.address = any.family == AF_INET ? host_address::ipv4(0, 0, 0, 0) : host_address();
    if (const int outcome = sockets.bind(*subject, any, caller_host()); outcome < 0) {
      return outcome;
    }
  }
  return subject->listen(backlog);
}

int simulated_network::accept(int fd) {
  stream_socket* const listener = find_stream(fd);
  if (listener == nullptr) {
    return -EOPNOTSUPP;
  }
  int outcome = 0;
  stream_socket* const taken = listener->accept(outcome);
  return taken != nullptr ? add(*taken) : outcome;
}

int simulated_network::connect(int fd, const sockaddr* name, socklen_t length) {
  simulated_socket& subject = *find(fd);
  const auto target = target_from(name, length);
  if (!target) {
    return -EINVAL;
  }
  if (target->family != subject.local.family) {
    return -EAFNOSUPPORT;
  }
  if (subject.type == SOCK_DGRAM) {
    return connect_datagram(static_cast<datagram_socket&>(subject), *target);
  }
  auto& stream = static_cast<stream_socket&>(subject);
  if (stream.is_fresh() && target->family != AF_UNIX && !stream.bound) {
    if (const int outcome = sockets.bind_for(stream, *target, caller_host()); outcome < 0) {
      return outcome;
    }
  }
  return stream.connect(*target);
}

int simulated_network::connect_datagram(datagram_socket& subject, const place& target) {
  const int outcome = subject.bound ? 0 : sockets.bind_for(subject, target, caller_host());
  return outcome < 0 ? outcome : subject.connect(target);
}

// --- using
// -----------------------------------------------------------------------------------------------------------

ssize_t simulated_network::receive(int fd, msghdr& into) {
  simulated_socket& subject = *find(fd);
  return subject.type == SOCK_STREAM ? static_cast<stream_socket&>(subject).read(into)
                                     : static_cast<datagram_socket&>(subject).receive(into);
}

ssize_t simulated_network::send(int fd, const msghdr& from) {
  simulated_socket& subject = *find(fd);
  if (subject.type == SOCK_STREAM) {
    return static_cast<stream_socket&>(subject).write(from);
  }
  auto& sender = static_cast<datagram_socket&>(subject);
  if (from.msg_name == nullptr) {
    return sender.send(from, nullptr);
  }
  const auto target = target_from(static_cast<const sockaddr*>(from.msg_name), from.msg_namelen);
  if (!target || target->family != sender.local.family) {
    return target ? -EAFNOSUPPORT : -EINVAL;
  }
  if (!sender.bound) {
    place any;
    any.family = sender.local.family;
    any.address = any.family == AF_INET ? host_address::ipv4(0, 0, 0, 0) : host_address();
    if (const int outcome = sockets.bind(sender, any, caller_host()); outcome < 0) {
      return outcome;
    }
  }
  return sender.send(from, &*target);
}

int simulated_network::shutdown(int fd, int how) {
  stream_socket* const subject = find_stream(fd);
  return subject != nullptr ? subject->shutdown(how) : -EOPNOTSUPP;
}

int simulated_network::name_of(int fd, bool peer, sockaddr* name, socklen_t* length) {
  const simulated_socket& subject = *find(fd);
  const bool is_connected = subject.type == SOCK_STREAM ? static_cast<const stream_socket&>(subject).is_connected()
                                                        : subject.peer.family != AF_UNSPEC;
  if (peer && !is_connected) {
    return -ENOTCONN;
  }
  (peer ? subject.peer : subject.local).to_native(name, length);
  return 0;
}

int simulated_network::set_option(int fd, int level, int name, int value) {
  find(fd)->options[{level, name}] = value;
  return 0;
}

int simulated_network::option(int fd, int level, int name) {
  simulated_socket& subject = *find(fd);
  if (level == SOL_SOCKET && name == SO_TYPE) {
    return subject.type;
  }
  if (level == SOL_SOCKET && name == SO_PROTOCOL) {
    return subject.local.family == AF_UNIX ? 0 : subject.type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
  }
  if (level == SOL_SOCKET && name == SO_DOMAIN) {
    return subject.local.family;
  }
  if (level == SOL_SOCKET && name == SO_ERROR) {
    return subject.type == SOCK_STREAM ? static_cast<stream_socket&>(subject).take_error() : 0;
  }
  return std::max(subject.option(level, name), 0);
}

int simulated_network::close(int fd) {
  const auto found = numbers_.extract(fd);
  simulated_socket& subject = *found.mapped();
  if (subject.type == SOCK_STREAM) {
    static_cast<stream_socket&>(subject).close();
  } else {
    static_cast<datagram_socket&>(subject).close();
  }
  return 0;
}

descriptor* simulated_network::at(int fd) noexcept {
  simulated_socket* const found = find(fd);
  return found != nullptr ? &found->entry : nullptr;
}

bool simulated_network::is_ready(int fd, io_direction way) noexcept {
  const simulated_socket* const subject = find(fd);
  if (subject == nullptr) {
    return true;
  }
  return subject->type == SOCK_STREAM ? static_cast<const stream_socket*>(subject)->is_ready(way)
                                      : static_cast<const datagram_socket*>(subject)->is_ready(way);
}

// --- the test's part
// -------------------------------------------------------------------------------------------------

const std::vector<sockaddr_storage>* simulated_network::look_up(std::string_view name) const {
  const auto found = names_.find(name);
  return found != names_.end() ? &found->second : nullptr;
}

void simulated_network::set_name(std::string name, std::vector<sockaddr_storage> addresses) {
  names_[std::move(name)] = std::move(addresses);
}

bool simulated_network::reset(int fd) {
  stream_socket* const subject = find_stream(fd);
  if (subject == nullptr || !subject->is_connected()) {
    return false;
  }
  subject->reset_connection();
  return true;
}

}  // namespace csp::inline v0::detail::sim
