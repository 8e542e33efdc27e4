// The load of the echo rows (load.h).
#include "bench/net/load.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/net/message.h"

namespace bench::net {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto patience = 5s;  // for a server that does nothing; far above what any of them takes for anything

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what); }

[[noreturn]] void fail_by_errno(const std::string& what) { fail(what + ": " + std::strerror(errno)); }

std::int64_t ticks(clock::time_point time) { return time.time_since_epoch().count(); }

std::chrono::nanoseconds cpu_of(pid_t process) {
  clockid_t id{};
  timespec time{};
  if (process == 0) return 0ns;
  if (clock_getcpuclockid(process, &id) != 0 || clock_gettime(id, &time) != 0)
    fail("the server's CPU time is not known");
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

struct connection {
  int fd = -1;
  std::size_t index = 0;
  std::int64_t sent = 0;
  std::int64_t answered = 0;
  std::int64_t answered_before = 0;     // when the measured window began
  std::vector<std::int64_t> sent_at;    // in ticks, by number modulo what is outstanding
  std::vector<unsigned char> received;  // a message more than can be under way, so that one too many is seen
  std::size_t filled = 0;               // bytes in `received`

  std::string name() const { return "connection " + std::to_string(index); }
};

class load {
 public:
  explicit load(const load_plan& plan) : plan_(plan), connections_(static_cast<std::size_t>(plan.connections)) {}
  load(const load&) = delete;
  load& operator=(const load&) = delete;
  ~load() {
    for (const connection& c : connections_) {
      if (c.fd >= 0) close(c.fd);
    }
    if (epoll_ >= 0) close(epoll_);
  }

  load_result run() {
    connect_all();
    may_send_ = plan_.messages_each != 0 ? plan_.messages_each : std::numeric_limits<std::int64_t>::max();
    last_progress_ = clock::now();
    if (plan_.messages_each != 0) {
      begin_window();
      send_first();
      await_all();
      end_window();
    } else {
      send_first();
      run_until(clock::now() + plan_.warm_up);
      begin_window();
      run_until(window_begin_ + plan_.window);
      end_window();
      may_send_ = 0;
      await_all();
    }
    await_ends();
    return result_;
  }

 private:
  void connect_all() {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail_by_errno("epoll_create1");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(plan_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (std::size_t i = 0; i < connections_.size(); ++i) connect_one(connections_[i], i, address);
  }

  void connect_one(connection& c, std::size_t index, const sockaddr_in& address) {
    const auto outstanding = static_cast<std::size_t>(plan_.outstanding);
    c.index = index;
    c.sent_at.resize(outstanding);
    c.received.resize((outstanding + 1) * message_size);
    c.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c.fd < 0) fail_by_errno("socket");
    sockaddr generic{};
    static_assert(sizeof generic == sizeof address);
    std::memcpy(&generic, &address, sizeof address);
    if (connect(c.fd, &generic, sizeof generic) != 0) fail_by_errno(c.name() + ": connect");
    const int yes = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (fcntl(c.fd, F_SETFL, O_NONBLOCK) != 0) fail_by_errno("fcntl");
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &c;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, c.fd, &event) != 0) fail_by_errno("epoll_ctl");
  }

  void send_first() {
    for (connection& c : connections_) send_some(c, plan_.outstanding, clock::now());
  }

  void run_until(clock::time_point end) {
    while (clock::now() < end) step();
  }

  void await_all() {
    const auto is_answered = [](const connection& c) { return c.answered == c.sent; };
    while (!std::all_of(connections_.begin(), connections_.end(), is_answered)) step();
  }

  // Takes what has come, if anything.
  void step() {
    const int count = epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()), 0);
    if (count < 0 && errno != EINTR) fail_by_errno("epoll_wait");
    if (count <= 0) {
      sched_yield();
      if (clock::now() - last_progress_ > patience) fail("no answer for 5 s");
      return;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      receive(*static_cast<connection*>(events_[i].data.ptr));
    }
  }

  void receive(connection& c) {
    const ssize_t got = recv(c.fd, c.received.data() + c.filled, c.received.size() - c.filled, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) fail_by_errno(c.name());
    if (got == 0) fail(c.name() + ": the server closed it");
    const clock::time_point now = clock::now();
    last_progress_ = now;
    c.filled += static_cast<std::size_t>(got);
    const std::size_t complete = c.filled / message_size;
    for (std::size_t i = 0; i < complete; ++i) take_answer(c, c.received.data() + i * message_size, now);
    c.filled -= complete * message_size;
    if (c.filled != 0) std::memmove(c.received.data(), c.received.data() + complete * message_size, c.filled);
    send_some(c, static_cast<int>(complete), now);
  }

  void take_answer(connection& c, const unsigned char* bytes, clock::time_point now) {
    if (c.answered == c.sent) fail(c.name() + ": an answer to nothing");
    const message wanted = make_message(c.index, c.answered);
    if (std::memcmp(bytes, wanted.data(), message_size) != 0) {
      fail(c.name() + ", message " + std::to_string(c.answered) + ": other bytes came back");
    }
    const auto slot = static_cast<std::size_t>(c.answered % plan_.outstanding);
    if (in_window_) result_.latency.add(ticks(now) - c.sent_at[slot]);
    ++c.answered;
  }

  // In one write: at most `count` messages, fewer when the connection has sent all that it may.
  void send_some(connection& c, int count, clock::time_point now) {
    std::array<message, max_outstanding> out;
    const std::int64_t end = std::min(c.sent + count, std::max(may_send_, c.sent));
    std::size_t used = 0;
    for (; c.sent < end; ++c.sent) {
      out[used++] = make_message(c.index, c.sent);
      c.sent_at[static_cast<std::size_t>(c.sent % plan_.outstanding)] = ticks(now);
    }
    if (used == 0) return;
    const ssize_t wrote = send(c.fd, out.data(), used * message_size, MSG_NOSIGNAL);
    if (wrote < 0) fail_by_errno(c.name());
    if (static_cast<std::size_t>(wrote) != used * message_size) fail(c.name() + ": a write was cut short");
  }

  void begin_window() {
    for (connection& c : connections_) c.answered_before = c.answered;
    in_window_ = true;
    cpu_begin_ = cpu_of(plan_.server);
    window_begin_ = clock::now();
  }

  void end_window() {
    result_.wall = clock::now() - window_begin_;
    result_.server_cpu = cpu_of(plan_.server) - cpu_begin_;
    in_window_ = false;
    result_.requests = result_.latency.total();
    std::int64_t least = std::numeric_limits<std::int64_t>::max();
    for (const connection& c : connections_) least = std::min(least, c.answered - c.answered_before);
    const double mean = static_cast<double>(result_.requests) / static_cast<double>(connections_.size());
    result_.least_share = mean > 0 ? static_cast<double>(least) / mean : 0;
  }

  // Ends every stream; the server has to do the same and must not send anything more.
  void await_ends() {
    for (const connection& c : connections_) shutdown(c.fd, SHUT_WR);
    for (const connection& c : connections_) {
      pollfd entry{c.fd, POLLIN, 0};
      if (poll(&entry, 1, std::chrono::milliseconds(patience).count()) <= 0) fail(c.name() + ": no end of the stream");
      unsigned char byte = 0;
      const ssize_t got = recv(c.fd, &byte, 1, 0);
      if (got > 0) fail(c.name() + ": an answer to nothing");
      if (got < 0) fail_by_errno(c.name());
    }
  }

  const load_plan plan_;
  std::vector<connection> connections_;
  std::array<epoll_event, 1024> events_{};  // all connections of the largest row in one call
  int epoll_ = -1;
  std::int64_t may_send_ = 0;  // on each connection, from its beginning
  bool in_window_ = false;
  clock::time_point last_progress_;
  clock::time_point window_begin_;
  std::chrono::nanoseconds cpu_begin_{0};
  load_result result_;
};

}  // namespace

load_result run_load(const load_plan& plan) {
  load load(plan);
  return load.run();
}

}  // namespace bench::net
