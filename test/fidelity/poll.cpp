// poll and ppoll, in each of their names.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <csignal>
#include <vector>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

struct poll_call {
  const char* name;
  int (*run)(pollfd* entries, nfds_t count, int milliseconds);
};

int run_ppoll(pollfd* entries, nfds_t count, int milliseconds) {
  const timespec limit{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  return ::ppoll(entries, count, milliseconds < 0 ? nullptr : &limit, nullptr);
}

int run_ppoll_chk(pollfd* entries, nfds_t count, int milliseconds) {
  const timespec limit{milliseconds / 1000, milliseconds % 1000 * 1'000'000L};
  sigset_t none;
  ::sigemptyset(&none);
  return ::__ppoll_chk(entries, count, milliseconds < 0 ? nullptr : &limit, &none, count * sizeof(pollfd));
}

constexpr poll_call poll_calls[] = {
    {"poll", [](pollfd* entries, nfds_t count, int limit) { return ::poll(entries, count, limit); }},
    {"__poll", [](pollfd* entries, nfds_t count, int limit) { return ::__poll(entries, count, limit); }},
    {"__poll_chk", [](pollfd* entries, nfds_t count,
                      int limit) { return ::__poll_chk(entries, count, limit, count * sizeof(pollfd)); }},
    {"ppoll", run_ppoll},
    {"__ppoll_chk", run_ppoll_chk},
};

std::string events_text(short events) {
  static constexpr std::pair<short, const char*> names[] = {
      {POLLIN, "in "},   {POLLOUT, "out "},     {POLLPRI, "pri "},  {POLLERR, "err "},
      {POLLHUP, "hup "}, {POLLRDHUP, "rdhup "}, {POLLNVAL, "nval "}};
  std::string text;
  for (const auto& [bit, name] : names) {
    text += (events & bit) != 0 ? name : "";
    events = static_cast<short>(events & ~bit);
  }
  return events == 0 ? text : text + std::to_string(events);
}

void note_poll(outcome& out, const poll_call& polls, std::span<pollfd> entries, int limit) {
  out.note(polls.name, call([&] { return polls.run(entries.data(), entries.size(), limit); }));
  std::string text;
  for (const pollfd& entry : entries) {
    text += '[' + events_text(entry.revents) + ']';
  }
  out.note("events", text);
}

void ready(outcome& out, const poll_call& polls) {
  const fd_pair pair = tcp_pair();
  put(pair.far, "x");
  pollfd entries[] = {{pair.near, POLLIN, -1}};
  note_poll(out, polls, entries, -1);
  entries[0].events = POLLIN | POLLOUT;
  note_poll(out, polls, entries, 0);
  entries[0].events = POLLPRI;
  note_poll(out, polls, entries, 0);
}

void later(outcome& out, const poll_call& polls) {
  const fd_pair pair = tcp_pair();
  peer other([&](peer& self) {
    self.until_blocked();
    put(pair.far, "x");
  });
  pollfd entries[] = {{pair.near, POLLIN, -1}};
  note_poll(out, polls, entries, -1);
  out.note("flags", flags_text(pair.near));
}

void times_out(outcome& out, const poll_call& polls) {
  const fd_pair pair = reading_pair(kind::pipe);
  pollfd entries[] = {{pair.near, POLLIN, -1}};
  note_poll(out, polls, entries, 0);
  bystander other;
  const stopwatch watch;
  note_poll(out, polls, entries, 50);
  out.note("took", watch.against(50ms));
  other.check();
  const stopwatch sleeping;
  bystander another;
  note_poll(out, polls, {}, 30);
  out.note("took", sleeping.against(30ms));
  another.check();
}

/// Several descriptors, negative and closed ones between them.
void several(outcome& out, const poll_call& polls) {
  const fd_pair first = reading_pair(kind::pipe);
  const fd_pair second = tcp_pair();
  const fd_pair third = socket_pair(SOCK_STREAM);
  peer other([&](peer& self) {
    self.until_blocked();
    put(second.far, "x");
  });
  pollfd entries[] = {{first.near, POLLIN, 7}, {-1, POLLIN, 7},         {second.near, POLLIN, 7},
                      {-55, POLLOUT, 7},       {third.near, POLLIN, 7}, {second.near, POLLIN, 7}};
  note_poll(out, polls, entries, 3000);
  pollfd closed[] = {{first.near, POLLIN, 7}, {far_too_high_fd, POLLIN, 7}};
  note_poll(out, polls, closed, 3000);
}

/// A regular file, a folder and devices are always ready.
void always_ready(outcome& out, const poll_call& polls) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "x");
  const owned_fd null(::open("/dev/null", O_RDWR));
  const owned_fd zero(::open("/dev/zero", O_RDWR));
  const owned_fd at(::open("/", O_RDONLY));
  pollfd entries[] = {{file, POLLIN | POLLOUT, 0}, {null, POLLIN | POLLOUT, 0}, {zero, POLLIN, 0}, {at, POLLIN, 0}};
  note_poll(out, polls, entries, 3000);
}

void hang_up(outcome& out, kind of_pair) {
  fd_pair pair = reading_pair(of_pair);
  peer other([&](peer& self) {
    self.until_blocked();
    pair.far.reset();
  });
  pollfd entries[] = {{pair.near, POLLIN | POLLRDHUP, 0}};
  note_poll(out, poll_calls[0], entries, -1);
  other.join();
  entries[0].events = 0;
  note_poll(out, poll_calls[0], entries, 0);
}

/// Nothing is asked for, yet errors and hang-ups wake.
void nothing_asked(outcome& out, kind of_pair) {
  fd_pair pair = writing_pair(of_pair);
  peer other([&](peer& self) {
    self.until_blocked();
    pair.far.reset();
  });
  pollfd entries[] = {{pair.near, 0, 0}};
  note_poll(out, poll_calls[0], entries, 3000);
}

void half_close(outcome& out) {
  const fd_pair pair = tcp_pair();
  pollfd entries[] = {{pair.near, POLLIN | POLLRDHUP, 0}};
  peer other([&](peer& self) {
    self.until_blocked();
    ::shutdown(pair.far, SHUT_WR);
  });
  note_poll(out, poll_calls[0], entries, -1);
  other.join();
  ::shutdown(pair.near, SHUT_WR);
  note_poll(out, poll_calls[0], entries, 0);
}

/// Writable again after a full buffer.
void becomes_writable(outcome& out, kind of_pair) {
  const fd_pair pair = tight_pair(of_pair);
  ::fcntl(pair.near, F_SETFL, O_NONBLOCK);
  const std::string data = pattern(100'000);
  while (::write(pair.near, data.data(), data.size()) > 0) {
  }
  ::usleep(10'000);  // tcp's receiver takes some more
  while (::write(pair.near, data.data(), data.size()) > 0) {
  }
  pollfd entries[] = {{pair.near, POLLOUT, 0}};
  note_poll(out, poll_calls[0], entries, 0);
  peer other([&](peer& self) {
    self.until_blocked();
    ::fcntl(pair.far, F_SETFL, O_NONBLOCK);
    std::string taken(1'000'000, ' ');
    while (::read(pair.far, taken.data(), taken.size()) > 0) {
    }
  });
  note_poll(out, poll_calls[0], entries, 3000);
}

void other_kinds(outcome& out) {
  const owned_fd event(::eventfd(0, 0));
  const owned_fd listener = tcp_listener();
  const owned_fd poller(::epoll_create1(EPOLL_CLOEXEC));
  const fd_pair terminal = reading_pair(kind::tty);
  const fd_pair pipe = reading_pair(kind::pipe);
  epoll_event wanted{EPOLLIN, {}};
  ::epoll_ctl(poller, EPOLL_CTL_ADD, pipe.near, &wanted);
  pollfd entries[] = {{event, POLLIN, 0}, {listener, POLLIN, 0}, {poller, POLLIN, 0}, {terminal.near, POLLIN, 0}};
  note_poll(out, poll_calls[0], entries, 0);
  const address name = name_of_socket(listener);
  const owned_fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::function<void()> wakers[] = {[&] { ::eventfd_write(event, 1); },
                                          [&] { ::connect(client, name.get(), name.size); },
                                          [&] { put(pipe.far, "x"); }, [&] { put(terminal.far, "x"); }};
  for (std::size_t i = 0; i < std::size(entries); ++i) {
    peer other([&](peer& self) {
      self.until_blocked();
      wakers[i]();
    });
    note_poll(out, poll_calls[0], std::span(entries).subspan(i, 1), 3000);
  }
  note_poll(out, poll_calls[0], entries, 0);
}

void many(outcome& out) {
  std::vector<fd_pair> pairs;
  std::vector<pollfd> entries;
  for (int i = 0; i < 200; ++i) {
    pairs.push_back(socket_pair(SOCK_STREAM));
    entries.push_back({pairs.back().near, POLLIN, 0});
  }
  peer other([&](peer& self) {
    self.until_blocked();
    put(pairs[137].far, "x");
  });
  out.note("poll", call([&] { return ::poll(entries.data(), entries.size(), 3000); }));
  out.note("the right one", entries[137].revents == POLLIN && entries[136].revents == 0);
}

void wrong(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  pollfd entry{pair.near, POLLIN, 0};
  out.note("bad address", call([] { return ::poll(static_cast<pollfd*>(bad_address()), 1, 0); }));
  out.note("too many", call([&] { return ::poll(&entry, 1UL << 30, 0); }));
  timespec limit{0, 2'000'000'000};
  out.note("wrong fraction", call([&] { return ::ppoll(&entry, 1, &limit, nullptr); }));
  limit = {-1, 0};
  out.note("negative", call([&] { return ::ppoll(&entry, 1, &limit, nullptr); }));
  out.note("nothing, bad address", call([] { return ::poll(static_cast<pollfd*>(bad_address()), 0, 0); }));
}

/// libc keeps what the kernel makes of the timeout to itself.
void timeout_is_kept(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  pollfd entry{pair.near, POLLIN, 0};
  const timespec limit{0, 20'000'000};
  out.note("ppoll", call([&] { return ::ppoll(&entry, 1, &limit, nullptr); }));
  out.note("limit", std::to_string(limit.tv_sec) + " s " + std::to_string(limit.tv_nsec));
}

}  // namespace

void add_poll(probe_list& list) {
  struct row {
    const char* name;
    void (*run)(outcome&, const poll_call&);
  };
  static constexpr row rows[] = {{"ready", ready},
                                 {"later", later},
                                 {"times out", times_out},
                                 {"several", several},
                                 {"always ready", always_ready}};
  for (const poll_call& polls : poll_calls) {
    for (const row& each : rows) {
      list.add(std::string(polls.name) + ": " + each.name, [&](outcome& out) { each.run(out, polls); });
    }
  }
  for (const kind of_pair : {kind::tcp4, kind::unix_stream, kind::pipe, kind::fifo, kind::unix_seqpacket, kind::tty}) {
    list.add(std::string("poll hang-up of ") + name_of(of_pair), [=](outcome& out) { hang_up(out, of_pair); });
  }
  for (const kind of_pair : {kind::unix_stream, kind::pipe}) {
    list.add(std::string("poll for nothing, ") + name_of(of_pair), [=](outcome& out) { nothing_asked(out, of_pair); });
  }
  for (const kind of_pair : {kind::tcp4, kind::unix_stream, kind::pipe}) {
    list.add(std::string("poll for room in ") + name_of(of_pair),
             [=](outcome& out) { becomes_writable(out, of_pair); });
  }
  list.add("poll half closed", half_close);
  list.add("poll of other kinds", other_kinds);
  list.add("poll of 200", many);
  list.add("poll, wrong arguments", wrong);
  list.add("ppoll keeps its timeout", timeout_is_kept);
}

}  // namespace fidelity
