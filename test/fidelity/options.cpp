// setsockopt and getsockopt: timeouts read back as they were set, act as they are set, and everything else passes.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

result set_option(int fd, int option, const timeval& limit, socklen_t size = sizeof(timeval)) {
  return call([&] { return ::setsockopt(fd, SOL_SOCKET, option, &limit, size); });
}

void round_trip(outcome& out, int option) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  out.note("first", timeout_text(pair.near, option));
  for (const timeval& limit :
       {timeval{0, 0}, timeval{2, 500'000}, timeval{3000, 0}, timeval{100'000'000, 0}, timeval{0, 1}, timeval{-1, 0}}) {
    out.note("set", set_option(pair.near, option, limit)).note("get", timeout_text(pair.near, option));
  }
  out.note("wrong fraction", set_option(pair.near, option, {0, 1'000'000}));
  out.note("negative fraction", set_option(pair.near, option, {0, -1}));
  out.note("short", set_option(pair.near, option, {1, 0}, 4)).note("get", timeout_text(pair.near, option));
  out.note("bad address",
           call([&] { return ::setsockopt(pair.near, SOL_SOCKET, option, bad_address(), sizeof(timeval)); }));
  out.note("other end", timeout_text(pair.far, option));
}

void short_answer(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  set_timeout(pair.near, SO_RCVTIMEO, 7, 0);
  timeval limit{-1, -1};
  socklen_t size = sizeof limit.tv_sec;
  out.note("short", call([&] { return ::getsockopt(pair.near, SOL_SOCKET, SO_RCVTIMEO, &limit, &size); }));
  out.note("size", std::to_string(size)).note("seconds", std::to_string(limit.tv_sec));
  out.note("rest", std::to_string(limit.tv_usec));
  size = static_cast<socklen_t>(opaque(-1));
  out.note("negative", call([&] { return ::getsockopt(pair.near, SOL_SOCKET, SO_RCVTIMEO, &limit, &size); }));
  size = 100;
  out.note("long", call([&] { return ::getsockopt(pair.near, SOL_SOCKET, SO_TYPE, &limit, &size); }));
  out.note("size", std::to_string(size));
}

void others(outcome& out) {
  const fd_pair tcp = tcp_pair();
  const fd_pair pipe = reading_pair(kind::pipe);
  const int on = 1;
  int value = -1;
  socklen_t size = sizeof value;
  out.note("TCP_NODELAY", call([&] { return ::setsockopt(tcp.near, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); }));
  out.note("get", call([&] { return ::getsockopt(tcp.near, IPPROTO_TCP, TCP_NODELAY, &value, &size); }));
  out.note("value", std::to_string(value)).note("size", std::to_string(size));
  out.note("SO_TYPE", call([&] { return ::getsockopt(tcp.near, SOL_SOCKET, SO_TYPE, &value, &size); }));
  out.note("value", std::to_string(value));
  out.note("SO_ACCEPTCONN", call([&] { return ::getsockopt(tcp.near, SOL_SOCKET, SO_ACCEPTCONN, &value, &size); }));
  out.note("value", std::to_string(value));
  out.note("unknown", call([&] { return ::setsockopt(tcp.near, SOL_SOCKET, 9999, &on, sizeof on); }));
  out.note("no socket", call([&] { return ::setsockopt(pipe.near, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); }));
  out.note("no fd", call([&] { return ::getsockopt(far_too_high_fd, SOL_SOCKET, SO_TYPE, &value, &size); }));
  const timeval limit{1, 0};
  out.note("timeout, no socket", set_option(pipe.near, SO_RCVTIMEO, limit));
  out.note("timeout, no fd", set_option(far_too_high_fd, SO_RCVTIMEO, limit));
  out.note("timeout, another level",
           call([&] { return ::setsockopt(tcp.near, IPPROTO_TCP, SO_RCVTIMEO, &limit, sizeof limit); }).value <= 0);
}

/// A timeout set on one descriptor is that of the socket, so of its duplicates.
void timeout_of_duplicate(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  const owned_fd twin(::dup(pair.near));
  set_timeout(twin, SO_RCVTIMEO, 0, 50'000);
  const stopwatch watch;
  note_read(out, pair.near);
  out.note("took", watch.against(50ms)).note("option", timeout_text(pair.near, SO_RCVTIMEO));
}

void timeout_by_system_call(outcome& out) {
  const fd_pair pair = tcp_pair();
  note_read(out, read_call_named("recv"), pair.near, 10, MSG_DONTWAIT);
  const timeval limit{0, 50'000};
  ::syscall(SYS_setsockopt, static_cast<int>(pair.near), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  bystander other;
  const stopwatch watch;
  note_read(out, pair.near);
  out.note("took", watch.against(50ms));
  other.check();
}

void timeout_by_thread(outcome& out) {
  const fd_pair pair = tcp_pair();
  peer([&](peer&) { set_timeout(pair.near, SO_RCVTIMEO, 0, 50'000); }).join();
  const stopwatch watch;
  note_read(out, pair.near);
  out.note("took", watch.against(50ms));
}

/// A negative timeout means not to wait at all; the sender's is none of the receiver's business.
void odd_timeouts(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  out.note("negative", set_option(pair.near, SO_RCVTIMEO, {-5, 0}));
  const stopwatch watch;
  note_read(out, pair.near);
  out.note("took", watch.against(500ms));
  set_timeout(pair.near, SO_RCVTIMEO, 0, 0);
  set_timeout(pair.near, SO_SNDTIMEO, 0, 10'000);
  peer other([&](peer& self) {
    self.until_blocked();
    std::this_thread::sleep_for(30ms);
    put(pair.far, "hello");
  });
  note_read(out, pair.near);
}

/// poll and select do not know the sockets' timeouts.
void timeout_and_poll(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  set_timeout(pair.near, SO_RCVTIMEO, 0, 10'000);
  peer other([&](peer& self) {
    self.until_blocked();
    std::this_thread::sleep_for(30ms);
    put(pair.far, "hello");
  });
  pollfd entry{pair.near, POLLIN, 0};
  out.note("poll", call([&] { return ::poll(&entry, 1, 3000); }));
}

void nonblocking_with_timeout(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  set_timeout(pair.near, SO_RCVTIMEO, 1, 0);
  const stopwatch watch;
  note_recv(out, pair.near, 10, MSG_DONTWAIT);
  ::fcntl(pair.near, F_SETFL, O_NONBLOCK);
  note_read(out, pair.near);
  out.note("took", watch.against(900ms));
}

}  // namespace

void add_options(probe_list& list) {
  list.add("SO_RCVTIMEO reads back", [](outcome& out) { round_trip(out, SO_RCVTIMEO); });
  list.add("SO_SNDTIMEO reads back", [](outcome& out) { round_trip(out, SO_SNDTIMEO); });
  list.add("getsockopt with short room", short_answer);
  list.add("other socket options", others);
  list.add("timeout of a duplicate", timeout_of_duplicate);
  list.add("timeout set by system call", timeout_by_system_call);
  list.add("timeout set by a thread", timeout_by_thread);
  list.add("odd timeouts", odd_timeouts);
  list.add("timeout and poll", timeout_and_poll);
  list.add("nonblocking, with a timeout", nonblocking_with_timeout);
}

}  // namespace fidelity
