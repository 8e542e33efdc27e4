// epoll as the user's own tool: epoll_wait and epoll_pwait in tasks and out of them.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <csignal>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

using wait_call = int (*)(int fd, epoll_event* events, int count, int limit);

int run_pwait(int fd, epoll_event* events, int count, int limit) {
  sigset_t none;
  ::sigemptyset(&none);
  return ::epoll_pwait(fd, events, count, limit, &none);
}

int run_pwait_without_mask(int fd, epoll_event* events, int count, int limit) {
  return ::epoll_pwait(fd, events, count, limit, nullptr);
}

/// A user's epoll with one pipe in it.
struct watched_pipe {
  owned_fd poller{::epoll_create1(0)};
  fd_pair pipe = reading_pair(kind::pipe);
  explicit watched_pipe(std::uint32_t events = EPOLLIN) {
    epoll_event wanted{};
    wanted.events = events;
    wanted.data.u64 = 0x1234'5678'9abc;
    must(::epoll_ctl(poller, EPOLL_CTL_ADD, pipe.near, &wanted), "epoll_ctl");
  }
};

void note_wait(outcome& out, const char* name, int fd, int limit, wait_call waits = ::epoll_wait) {
  std::array<epoll_event, 4> events{};
  const result got = call([&] { return waits(fd, events.data(), 4, limit); });
  out.note(name, got);
  if (got.value > 0) {
    const epoll_event first = events[0];  // the kernel's is packed
    out.note("events", std::to_string(first.events)).note("data kept", first.data.u64 == 0x1234'5678'9abc);
  }
}

void every_way(outcome& out, wait_call waits) {
  const watched_pipe watched;
  note_wait(out, "at once", watched.poller, 0, waits);
  bystander other;
  const stopwatch watch;
  note_wait(out, "short", watched.poller, 50, waits);
  out.note("took", watch.against(50ms));
  other.check();
  peer writer([&](peer& self) {
    self.until_blocked();
    put(watched.pipe.far, "x");
  });
  note_wait(out, "for ever", watched.poller, -1, waits);
  note_wait(out, "still", watched.poller, 3000, waits);
  note_read(out, watched.pipe.near);
  note_wait(out, "no more", watched.poller, 0, waits);
}

void edge_triggered(outcome& out) {
  const watched_pipe watched(EPOLLIN | EPOLLET);
  put(watched.pipe.far, "x");
  note_wait(out, "first", watched.poller, 3000);
  note_wait(out, "no edge", watched.poller, 20);
  peer writer([&](peer& self) {
    self.until_blocked();
    put(watched.pipe.far, "y");
  });
  note_wait(out, "edge", watched.poller, 3000);
}

void one_shot(outcome& out) {
  const watched_pipe watched(EPOLLIN | EPOLLONESHOT);
  put(watched.pipe.far, "x");
  note_wait(out, "first", watched.poller, 3000);
  note_wait(out, "disarmed", watched.poller, 20);
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLONESHOT;
  wanted.data.u64 = 0x1234'5678'9abc;
  out.note("again", call([&] { return ::epoll_ctl(watched.poller, EPOLL_CTL_MOD, watched.pipe.near, &wanted); }));
  note_wait(out, "armed", watched.poller, 3000);
}

/// A descriptor is in the user's epoll and read from at the same time.
void both_uses(outcome& out) {
  const watched_pipe watched;
  for (const char* const text : {"one", "two"}) {
    peer writer([&](peer& self) {
      self.until_blocked();
      put(watched.pipe.far, text);
    });
    note_read(out, watched.pipe.near);
  }
  note_wait(out, "nothing", watched.poller, 0);
  peer writer([&](peer& self) {
    self.until_blocked();
    put(watched.pipe.far, "three");
  });
  note_wait(out, "something", watched.poller, -1);
}

void nested(outcome& out) {
  const watched_pipe inner;
  const owned_fd outer(::epoll_create1(0));
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  wanted.data.u64 = 0x1234'5678'9abc;
  out.note("add", call([&] { return ::epoll_ctl(outer, EPOLL_CTL_ADD, inner.poller, &wanted); }));
  peer writer([&](peer& self) {
    self.until_blocked();
    put(inner.pipe.far, "x");
  });
  note_wait(out, "outer", outer, -1);
  note_wait(out, "inner", inner.poller, 0);
}

/// Descriptors added, changed and removed while another waits.
void added_meanwhile(outcome& out) {
  const watched_pipe watched;
  const owned_fd event(::eventfd(1, 0));
  peer other([&](peer& self) {
    self.until_blocked();
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.u64 = 0x1234'5678'9abc;
    ::epoll_ctl(watched.poller, EPOLL_CTL_ADD, event, &wanted);
  });
  note_wait(out, "wait", watched.poller, -1);
}

void several(outcome& out) {
  const owned_fd poller(::epoll_create1(0));
  const owned_fd events[3] = {owned_fd(::eventfd(1, 0)), owned_fd(::eventfd(1, 0)), owned_fd(::eventfd(1, 0))};
  for (const owned_fd& event : events) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    ::epoll_ctl(poller, EPOLL_CTL_ADD, event, &wanted);
  }
  std::array<epoll_event, 2> room{};
  out.note("two of three", call([&] { return ::epoll_wait(poller, room.data(), 2, -1); }));
  note_wait(out, "all", poller, -1);
}

void wrong(outcome& out) {
  const watched_pipe watched;
  epoll_event event{};
  put(watched.pipe.far, "x");
  out.note("no room", call([&] { return ::epoll_wait(watched.poller, &event, 0, 0); }));
  out.note("negative room", call([&] { return ::epoll_wait(watched.poller, &event, opaque(-1), 0); }));
  out.note("a pipe", call([&] { return ::epoll_wait(watched.pipe.near, &event, 1, 0); }));
  out.note("no fd", call([&] { return ::epoll_wait(opaque(-1), &event, 1, 0); }));
  out.note("closed", call([&] { return ::epoll_wait(far_too_high_fd, &event, 1, 0); }));
  out.note("bad address",
           call([&] { return ::epoll_wait(watched.poller, static_cast<epoll_event*>(bad_address()), 1, 0); }));
  out.note("add twice", call([&] { return ::epoll_ctl(watched.poller, EPOLL_CTL_ADD, watched.pipe.near, &event); }));
  out.note("add itself", call([&] { return ::epoll_ctl(watched.poller, EPOLL_CTL_ADD, watched.poller, &event); }));
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "x");
  out.note("add a file", call([&] { return ::epoll_ctl(watched.poller, EPOLL_CTL_ADD, file, &event); }));
}

/// A descriptor that libcsp has waited on is not in the user's epoll by that, nor the other way round.
void read_first(outcome& out) {
  const fd_pair pair = tcp_pair();
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  note_read(out, pair.near);
  writer.join();
  const owned_fd poller(::epoll_create1(0));
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLET;
  wanted.data.u64 = 0x1234'5678'9abc;
  out.note("add", call([&] { return ::epoll_ctl(poller, EPOLL_CTL_ADD, pair.near, &wanted); }));
  note_wait(out, "nothing", poller, 0);
  put(pair.far, "again");
  note_wait(out, "something", poller, 3000);
  note_read(out, pair.near);
}

}  // namespace

void add_epoll(probe_list& list) {
  list.add("epoll_wait", [](outcome& out) { every_way(out, ::epoll_wait); });
  list.add("epoll_pwait", [](outcome& out) { every_way(out, run_pwait); });
  list.add("epoll_pwait without a mask", [](outcome& out) { every_way(out, run_pwait_without_mask); });
  list.add("epoll_wait, edge-triggered", edge_triggered);
  list.add("epoll_wait, one shot", one_shot);
  list.add("epoll_wait and reads of the same pipe", both_uses);
  list.add("epoll_wait, nested", nested);
  list.add("epoll_wait, added meanwhile", added_meanwhile);
  list.add("epoll_wait for several", several);
  list.add("epoll_wait, wrong arguments", wrong);
  list.add("epoll_wait after a read that waited", read_first);
}

}  // namespace fidelity
