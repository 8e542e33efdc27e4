// A number that is closed, by every way that libc has, and given to a new descriptor, by every way that makes one: what
// libcsp knew of the old one must not show with the new one.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <cstdio>
#include <string_view>
#include <vector>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace fidelity {

namespace {

// Above all numbers that come by themselves, below FD_SETSIZE.
constexpr int high_number = 700;

struct closer {
  const char* name;
  void (*close)(int fd);
};

constexpr closer closers[] = {
    {"close", [](int fd) { ::close(fd); }},
    {"__close", [](int fd) { ::__close(fd); }},
    {"fclose", [](int fd) { static_cast<void>(std::fclose(::fdopen(fd, "r"))); }},
    {"close_range", [](int fd) { ::close_range(static_cast<unsigned>(fd), static_cast<unsigned>(fd), 0); }},
    {"close by system call", [](int fd) { ::syscall(SYS_close, fd); }},
    {"close by a thread", [](int fd) { peer([=](peer&) { ::close(fd); }).join(); }},
    {"system call by a thread", [](int fd) { peer([=](peer&) { ::syscall(SYS_close, fd); }).join(); }},
};

/// A read on `fd` that waits until the peer has called `wake`.
void note_waiting_read(outcome& out, int fd, const std::function<void()>& wake) {
  peer other([&](peer& self) {
    self.until_blocked();
    wake();
  });
  note_read(out, fd);
}

/// One end of a unix socket under a number of its own, which has been waited on, and has flags and a timeout that the
/// next one must not have.
owned_fd used_socket(outcome& out, int at_least, owned_fd& far) {
  fd_pair pair = socket_pair(SOCK_STREAM);
  owned_fd used(must(::fcntl(pair.near, F_DUPFD_CLOEXEC, at_least), "F_DUPFD_CLOEXEC"));
  pair.near.reset();
  far = std::move(pair.far);
  note_waiting_read(out, used, [&] { put(far, "one"); });
  set_timeout(used, SO_RCVTIMEO, 0, 10'000);
  ::fcntl(used, F_SETFL, O_NONBLOCK);
  note_read(out, used);
  return used;
}

/// Closed in that way, and the number taken by a pipe.
void closed_by(outcome& out, const closer& closes) {
  owned_fd far;
  const int number = used_socket(out, high_number, far).release();
  closes.close(number);
  out.note("closed", flags_text(number));
  fd_pair next = reading_pair(kind::pipe);
  const owned_fd again(::fcntl(next.near, F_DUPFD, number));
  next.near.reset();
  out.note("same number", again == number).note("flags", flags_text(again));
  note_waiting_read(out, again, [&] { put(next.far, "two"); });
  put(far, "to nobody");
}

void closed_from(outcome& out) {
  closed_by(out, {"closefrom", [](int fd) { ::closefrom(fd); }});
}

/// dup2 and dup3 close what they replace.
void replaced(outcome& out, int (*replaces)(int from, int to)) {
  owned_fd far;
  const owned_fd used = used_socket(out, high_number, far);
  fd_pair next = tcp_pair();
  out.note("replaced", call([&] { return replaces(next.near, used); }).value == int{used});
  next.near.reset();
  out.note("flags", flags_text(used));
  note_waiting_read(out, used, [&] { put(next.far, "two"); });
  fd_pair third = reading_pair(kind::pipe);
  replaces(third.near, used);
  third.near.reset();
  note_waiting_read(out, used, [&] { put(third.far, "three"); });
}

/// Holds every free number below `number`, so that the next descriptor gets that one.
std::vector<owned_fd> occupy_below(int number) {
  std::vector<owned_fd> held;
  for (;;) {
    owned_fd next(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (next > number || next < 0) {
      return held;
    }
    held.push_back(std::move(next));
  }
}

/// Makes a descriptor at the number that has just become free, and returns it with what lets a read of it end.
struct maker {
  const char* name;
  int (*make)(std::vector<owned_fd>& others);
  void (*wake)(int fd, std::vector<owned_fd>& others);
};

void write_to_first(int /*fd*/, std::vector<owned_fd>& others) { put(others[0], "two"); }

int make_socketpair(std::vector<owned_fd>& others) {
  fd_pair pair = socket_pair(SOCK_DGRAM);
  others.push_back(std::move(pair.far));
  return pair.near.release();
}

int make_pipe(std::vector<owned_fd>& others) {
  fd_pair pair = reading_pair(kind::pipe);
  others.push_back(std::move(pair.far));
  return pair.near.release();
}

int make_raw_pipe(std::vector<owned_fd>& others) {
  int ends[2];
  ::syscall(SYS_pipe2, ends, 0);
  others.emplace_back(ends[1]);
  return ends[0];
}

int make_connected(std::vector<owned_fd>& others) {
  const int made = ::socket(AF_INET, SOCK_STREAM, 0);
  const owned_fd listener = tcp_listener();
  const address name = name_of_socket(listener);
  ::connect(made, name.get(), name.size);
  others.emplace_back(::accept(listener, nullptr, nullptr));
  return made;
}

int make_event(std::vector<owned_fd>& /*others*/) { return ::eventfd(0, 0); }

void wake_event(int fd, std::vector<owned_fd>& /*others*/) { ::eventfd_write(fd, 1); }

int make_timer(std::vector<owned_fd>& /*others*/) { return ::timerfd_create(CLOCK_MONOTONIC, 0); }

void wake_timer(int fd, std::vector<owned_fd>& /*others*/) {
  const itimerspec soon{{0, 0}, {0, 1}};
  ::timerfd_settime(fd, 0, &soon, nullptr);
}

int make_watch(std::vector<owned_fd>& /*others*/) { return ::inotify_init1(0); }

void wake_watch(int fd, std::vector<owned_fd>& /*others*/) {
  const int watch = ::inotify_add_watch(fd, "/tmp", IN_DELETE_SELF);
  ::inotify_rm_watch(fd, watch);
}

int make_opened_fifo(std::vector<owned_fd>& others) {
  const temporary_folder folder;
  const std::string path = folder.file("fifo");
  ::mkfifo(path.c_str(), 0600);
  const int made = ::open(path.c_str(), O_RDONLY | O_NONBLOCK);
  others.emplace_back(::open(path.c_str(), O_WRONLY));
  ::fcntl(made, F_SETFL, 0);
  return made;
}

int make_duplicate(std::vector<owned_fd>& others) {
  fd_pair pair = tcp_pair();  // takes the number
  const int number = std::min(int{pair.near}, int{pair.far});
  const bool is_near = pair.near == number;
  const owned_fd aside(::fcntl(number, F_DUPFD, high_number));
  ::close(is_near ? pair.near.release() : pair.far.release());
  const int made = ::dup(aside);
  others.push_back(std::move(is_near ? pair.far : pair.near));
  return made;
}

constexpr maker makers[] = {
    {"socketpair", make_socketpair, write_to_first},
    {"pipe", make_pipe, write_to_first},
    {"system call", make_raw_pipe, write_to_first},
    {"socket and connect", make_connected, write_to_first},
    {"eventfd", make_event, wake_event},
    {"timerfd_create", make_timer, wake_timer},
    {"inotify_init1", make_watch, wake_watch},
    {"open", make_opened_fifo, write_to_first},
    {"dup", make_duplicate, write_to_first},
};

void made_by(outcome& out, const maker& makes, const closer& closes) {
  owned_fd far;
  const int number = used_socket(out, 0, far).release();
  const std::vector<owned_fd> held = occupy_below(number);
  closes.close(number);
  std::vector<owned_fd> others;
  const owned_fd again(makes.make(others));
  out.note("same number", again == number).note("flags", flags_text(again));
  peer other([&](peer& self) {
    self.until_blocked();
    makes.wake(again, others);
  });
  std::array<char, 100> buffer{};
  out.note("read", call([&] { return ::read(again, buffer.data(), buffer.size()); }));
}

void accepted(outcome& out) {
  const owned_fd listener = tcp_listener();
  const address name = name_of_socket(listener);
  const owned_fd client(::socket(AF_INET, SOCK_STREAM, 0));
  ::connect(client, name.get(), name.size);
  owned_fd far;
  const int number = used_socket(out, 0, far).release();
  const std::vector<owned_fd> held = occupy_below(number);
  ::close(number);
  const owned_fd again(::accept(listener, nullptr, nullptr));
  out.note("same number", again == number).note("flags", flags_text(again));
  note_waiting_read(out, again, [&] { put(client, "two"); });
}

/// A descriptor that was a listener becomes a stream, and the other way round.
void listener_and_stream(outcome& out) {
  owned_fd number(::fcntl(tcp_listener(), F_DUPFD, high_number));
  owned_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address name = name_of_socket(number);
  {
    peer other([&](peer& self) {
      self.until_blocked();
      ::connect(client, name.get(), name.size);
    });
    const owned_fd taken(::accept(number, nullptr, nullptr));
    out.note("accepted", flags_text(taken));
  }
  fd_pair pair = socket_pair(SOCK_STREAM);
  ::dup2(pair.near, number);
  pair.near.reset();
  note_waiting_read(out, number, [&] { put(pair.far, "two"); });
  {
    const owned_fd listener = tcp_listener();
    ::dup3(listener, number, 0);
  }
  name = name_of_socket(number);
  client = owned_fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  peer other([&](peer& self) {
    self.until_blocked();
    ::connect(client, name.get(), name.size);
  });
  const owned_fd taken(::accept(number, nullptr, nullptr));
  out.note("accepted", flags_text(taken));
}

/// The number is closed while a duplicate lives on, which goes on to work.
void duplicate_lives_on(outcome& out) {
  owned_fd far;
  owned_fd used = used_socket(out, high_number, far);
  const owned_fd twin(::dup(used));
  set_timeout(twin, SO_RCVTIMEO, 0, 0);
  ::fcntl(twin, F_SETFL, 0);
  used.reset();
  note_waiting_read(out, twin, [&] { put(far, "two"); });
  const owned_fd back(::fcntl(twin, F_DUPFD, high_number));
  note_waiting_read(out, back, [&] { put(far, "three"); });
}

void close_results(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  const int copy = ::dup(pair.near);
  out.note("close", call([&] { return ::close(copy); })).note("again", call([&] { return ::close(copy); }));
  out.note("-1", call([] { return ::close(opaque(-1)); })).note("high", call([] { return ::close(far_too_high_fd); }));
  out.note("empty range", call([] { return ::close_range(5000, 6000, 0); }));
  out.note("wrong range", call([] { return ::close_range(6000, 5000, 0); }));
  out.note("wrong flags", call([] { return ::close_range(5000, 6000, 77); }));
  const owned_fd kept(::fcntl(pair.near, F_DUPFD, high_number));
  const auto number = static_cast<unsigned>(int{kept});
  out.note("only cloexec", call([&] { return ::close_range(number, number, CLOSE_RANGE_CLOEXEC); }));
  out.note("flags", flags_text(kept));
  note_waiting_read(out, kept, [&] { put(pair.far, "alive"); });
}

}  // namespace

void add_unseen_reuse(probe_list& list) {
  for (const closer& closes : closers) {
    if (std::string_view(closes.name).find("system call") != std::string_view::npos) {
      list.add(std::string("reuse after ") + closes.name, [&](outcome& out) { closed_by(out, closes); });
      for (const maker& makes : makers) {
        list.add(std::string("reuse by ") + makes.name + " after " + closes.name,
                 [&](outcome& out) { made_by(out, makes, closes); });
      }
    }
  }
}

void add_reuse(probe_list& list) {
  for (const closer& closes : closers) {
    if (std::string_view(closes.name).find("system call") == std::string_view::npos) {
      list.add(std::string("reuse after ") + closes.name, [&](outcome& out) { closed_by(out, closes); });
    }
  }
  list.add("reuse after closefrom", closed_from);
  list.add("reuse by dup2", [](outcome& out) { replaced(out, ::dup2); });
  list.add("reuse by __dup2", [](outcome& out) { replaced(out, ::__dup2); });
  list.add("reuse by dup3",
           [](outcome& out) { replaced(out, [](int from, int to) { return ::dup3(from, to, O_CLOEXEC); }); });
  for (const maker& makes : makers) {
    list.add(std::string("reuse by ") + makes.name, [&](outcome& out) { made_by(out, makes, closers[0]); });
  }
  list.add("reuse by accept", accepted);
  list.add("reuse of a listener", listener_and_stream);
  list.add("reuse beside a duplicate", duplicate_lives_on);
  list.add("close's results", close_results);
}

}  // namespace fidelity
