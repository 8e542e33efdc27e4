// eventfd, timerfd, inotify, signalfd, pidfd and epoll's own descriptor, as things to read and to poll.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <csignal>
#include <cstdint>
#include <cstring>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

void note_number(outcome& out, int fd) {
  std::uint64_t number = 77;
  out.note("read", call([&] { return ::read(fd, &number, sizeof number); })).note("number", std::to_string(number));
}

result add_number(int fd, std::uint64_t number) {
  return call([&] { return ::write(fd, &number, sizeof number); });
}

void events(outcome& out, int flags) {
  const owned_fd event(::eventfd(3, flags));
  out.note("flags", flags_text(event));
  note_number(out, event);
  if ((flags & EFD_SEMAPHORE) != 0) {
    note_number(out, event);
    note_number(out, event);
  }
  if ((flags & EFD_NONBLOCK) != 0) {
    note_number(out, event);
    return;
  }
  peer other([&](peer& self) {
    self.until_blocked();
    static_cast<void>(add_number(event, 5));
  });
  note_number(out, event);
  out.note("flags", flags_text(event));
}

/// A counter that is full makes writers wait.
void full_event(outcome& out) {
  const owned_fd event(::eventfd(0, 0));
  constexpr std::uint64_t most = 0xffff'ffff'ffff'fffe;
  out.note("most", add_number(event, most)).note("too much", add_number(event, most + 1));
  std::uint64_t got = 0;
  peer other([&](peer& self) {
    self.until_blocked();
    static_cast<void>(!::read(event, &got, sizeof got));
  });
  out.note("waits", add_number(event, 2));
  other.join();
  out.note("the other got the most", got == most);
  note_number(out, event);
  std::array<char, 4> small{};
  out.note("short read", call([&] { return ::read(event, small.data(), small.size()); }));
  out.note("short write", call([&] { return ::write(event, small.data(), small.size()); }));
  eventfd_t number = 0;
  out.note("eventfd_write", call([&] { return ::eventfd_write(event, 4); }));
  out.note("eventfd_read", call([&] { return ::eventfd_read(event, &number); })).note("number", std::to_string(number));
}

void bad_number(outcome& out) {
  const owned_fd event(::eventfd(0, 0));
  out.note("write", call([&] { return ::write(event, bad_address(), 8); }));
}

void timers(outcome& out) {
  const owned_fd timer(::timerfd_create(CLOCK_MONOTONIC, 0));
  const itimerspec once{{0, 0}, {0, 30'000'000}};
  ::timerfd_settime(timer, 0, &once, nullptr);
  {
    bystander other;
    const stopwatch watch;
    note_number(out, timer);
    out.note("took", watch.against(30ms));
    other.check();
  }
  const itimerspec often{{0, 10'000'000}, {0, 10'000'000}};
  ::timerfd_settime(timer, 0, &often, nullptr);
  std::uint64_t sum = 0;
  const stopwatch watch;
  while (sum < 3) {
    std::uint64_t number = 0;
    if (::read(timer, &number, sizeof number) != sizeof number) {
      break;
    }
    sum += number;
  }
  out.note("three", sum >= 3).note("took", watch.against(30ms));
  ::fcntl(timer, F_SETFL, O_NONBLOCK);
  const itimerspec stopped{};
  ::timerfd_settime(timer, 0, &stopped, nullptr);
  note_number(out, timer);
  ::fcntl(timer, F_SETFL, 0);
  peer other([&](peer& self) {
    self.until_blocked();
    ::timerfd_settime(timer, 0, &once, nullptr);
  });
  note_number(out, timer);
  std::array<char, 4> small{};
  out.note("short", call([&] { return ::read(timer, small.data(), small.size()); }));
  out.note("write", call([&] { return ::write(timer, &sum, sizeof sum); }));
}

void file_events(outcome& out) {
  const temporary_folder folder;
  const owned_fd watches(::inotify_init1(0));
  const int watch = ::inotify_add_watch(watches, folder.file(".").c_str(), IN_CREATE);
  owned_fd made;
  peer other([&](peer& self) {
    self.until_blocked();
    made = file_with(folder, "x", "fresh");
  });
  alignas(inotify_event) std::array<char, 4096> buffer{};
  const result got = call([&] { return ::read(watches, buffer.data(), buffer.size()); });
  inotify_event event{};
  std::memcpy(&event, buffer.data(), sizeof event);
  out.note("read", got).note("mask", std::to_string(event.mask)).note("watch", event.wd == watch);
  out.note("name", std::string(buffer.data() + sizeof event));
  other.join();
  const owned_fd another = file_with(folder, "x", "another");
  out.note("short", call([&] { return ::read(watches, buffer.data(), 3); }));
  out.note("long", call([&] { return ::read(watches, buffer.data(), buffer.size()); }));
  ::fcntl(watches, F_SETFL, O_NONBLOCK);
  out.note("nonblocking", call([&] { return ::read(watches, buffer.data(), buffer.size()); }));
}

/// A signal for the whole process, which every thread but the reader of the descriptor must block; so the probe sends
/// it to its own thread, where it stays pending, and reads it there.
void signals(outcome& out) {
  sigset_t wanted;
  sigset_t before;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGUSR2);
  ::pthread_sigmask(SIG_BLOCK, &wanted, &before);
  const owned_fd signals_fd(::signalfd(-1, &wanted, 0));
  signalfd_siginfo about{};
  const pthread_t self_thread = ::pthread_self();
  peer other([&](peer& self) {
    self.until_blocked();
    ::pthread_kill(self_thread, SIGUSR2);
  });
  out.note("read", call([&] { return ::read(signals_fd, &about, sizeof about); }));
  out.note("signal", std::to_string(about.ssi_signo)).note("own", about.ssi_pid == static_cast<unsigned>(::getpid()));
  ::fcntl(signals_fd, F_SETFL, O_NONBLOCK);
  out.note("nonblocking", call([&] { return ::read(signals_fd, &about, sizeof about); }));
  out.note("short", call([&] { return ::read(signals_fd, &about, 3); }));
  other.join();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void processes(outcome& out) {
  const pid_t child = must(::fork(), "fork");
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const owned_fd process(::pidfd_open(child, 0));
  pollfd entry{process, POLLIN, 0};
  out.note("at once", call([&] { return ::poll(&entry, 1, 0); }));
  peer other([&](peer& self) {
    self.until_blocked();
    ::kill(child, SIGKILL);
  });
  out.note("poll", call([&] { return ::poll(&entry, 1, 3000); })).note("readable", (entry.revents & POLLIN) != 0);
  std::array<char, 8> buffer{};
  out.note("read", call([&] { return ::read(process, buffer.data(), buffer.size()); }));
  ::waitpid(child, nullptr, 0);
}

void poller(outcome& out) {
  const owned_fd polls(::epoll_create1(0));
  note_read(out, polls, 8);
  out.note("write", call([&] { return ::write(polls, "x", 1); }));
  out.note("accept", call([&] { return ::accept(polls, nullptr, nullptr); }));
}

/// A terminal in its usual mode hands over whole lines.
void lines_of_terminal(outcome& out) {
  const owned_fd master(::posix_openpt(O_RDWR | O_NOCTTY));
  ::grantpt(master);
  ::unlockpt(master);
  std::array<char, 64> name{};
  ::ptsname_r(master, name.data(), name.size());
  const owned_fd terminal(::open(name.data(), O_RDWR | O_NOCTTY));
  peer other([&](peer& self) {
    self.until_blocked();
    put(master, "half a ");
    self.until_blocked();
    put(master, "line\n");
  });
  note_read(out, terminal);
  other.join();
  out.note("echo", bytes_text(get(master, 13)));
  peer typist([&](peer& self) {
    self.until_blocked();
    put(master, "\x04");  // end of file
  });
  note_read(out, terminal);
  out.note("flags", flags_text(terminal) + ", " + flags_text(master));
  // The master waits as well.
  typist.join();
  peer writer([&](peer& self) {
    self.until_blocked();
    put(terminal, "out");
  });
  note_read(out, master);
}

}  // namespace

void add_events(probe_list& list) {
  list.add("eventfd", [](outcome& out) { events(out, 0); });
  list.add("eventfd as a semaphore", [](outcome& out) { events(out, EFD_SEMAPHORE); });
  list.add("eventfd nonblocking", [](outcome& out) { events(out, EFD_NONBLOCK); });
  list.add("eventfd that is full", full_event);
  list.add("eventfd, bad address", bad_number);
  list.add("timerfd", timers);
  list.add("inotify", file_events);
  list.add("signalfd", signals, where::threads_only);
  list.add("pidfd", processes);
  list.add("reading an epoll", poller);
  list.add("a terminal's lines", lines_of_terminal);
}

}  // namespace fidelity
