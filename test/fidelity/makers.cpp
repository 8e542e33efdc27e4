// Every call that makes a descriptor: its flags, its errors, and that a read from what it made waits or does not.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <csignal>

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace fidelity {

namespace {

void note_made(outcome& out, const std::string& what, result got) {
  out.note_fd(what, got);
  if (got.value >= 0) {
    const owned_fd made(static_cast<int>(got.value));
    out.note("flags", flags_text(made));
  }
}

void sockets(outcome& out) {
  note_made(out, "tcp", call([] { return ::socket(AF_INET, SOCK_STREAM, 0); }));
  note_made(out, "nonblocking", call([] { return ::socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0); }));
  note_made(out, "cloexec", call([] { return ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0); }));
  note_made(out, "both", call([] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }));
  note_made(out, "wrong family", call([] { return ::socket(12345, SOCK_STREAM, 0); }));
  note_made(out, "wrong type", call([] { return ::socket(AF_INET, 77, 0); }));
  note_made(out, "wrong protocol", call([] { return ::socket(AF_INET, SOCK_STREAM, IPPROTO_UDP); }));
}

void note_two(outcome& out, const std::string& what, result got, const int (&ends)[2]) {
  out.note(what, got);
  if (got.value == 0) {
    const owned_fd first(ends[0]);
    const owned_fd second(ends[1]);
    out.note("flags", flags_text(first) + ", " + flags_text(second));
  }
}

void socket_pairs(outcome& out) {
  int ends[2] = {-7, -7};
  const auto make = [&](const char* what, int family, int type) {
    note_two(out, what, call([&] { return ::socketpair(family, type, 0, ends); }), ends);
  };
  make("stream", AF_UNIX, SOCK_STREAM);
  make("nonblocking", AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK);
  make("cloexec", AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC);
  ends[0] = ends[1] = -7;
  make("internet", AF_INET, SOCK_STREAM);
  out.note("untouched", ends[0] == -7 && ends[1] == -7);
  out.note("bad address", call([] { return ::socketpair(AF_UNIX, SOCK_STREAM, 0, static_cast<int*>(bad_address())); }));
}

void pipes(outcome& out) {
  int ends[2] = {-7, -7};
  note_two(out, "pipe", call([&] { return ::pipe(ends); }), ends);
  note_two(out, "__pipe", call([&] { return ::__pipe(ends); }), ends);
  note_two(out, "pipe2", call([&] { return ::pipe2(ends, 0); }), ends);
  note_two(out, "nonblocking", call([&] { return ::pipe2(ends, O_NONBLOCK); }), ends);
  note_two(out, "cloexec", call([&] { return ::pipe2(ends, O_CLOEXEC); }), ends);
  note_two(out, "packets", call([&] { return ::pipe2(ends, O_DIRECT | O_NONBLOCK); }), ends);
  ends[0] = ends[1] = -7;
  note_two(out, "wrong", call([&] { return ::pipe2(ends, 0x7000'0000); }), ends);
  out.note("untouched", ends[0] == -7 && ends[1] == -7);
  out.note("bad address", call([] { return ::pipe(static_cast<int*>(bad_address())); }));
}

/// A pipe whose reader and writer are not both nonblocking: the flag belongs to one end.
void one_end_nonblocking(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  ::fcntl(pair.far, F_SETFL, ::fcntl(pair.far, F_GETFL) | O_NONBLOCK);
  out.note("near", flags_text(pair.near)).note("far", flags_text(pair.far));
  peer other([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  note_read(out, pair.near);
}

void event_makers(outcome& out) {
  note_made(out, "eventfd", call([] { return ::eventfd(0, 0); }));
  note_made(out, "eventfd both", call([] { return ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }));
  note_made(out, "eventfd wrong", call([] { return ::eventfd(0, 1 << 20); }));
  note_made(out, "timerfd", call([] { return ::timerfd_create(CLOCK_MONOTONIC, 0); }));
  note_made(out, "timerfd both", call([] { return ::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC); }));
  note_made(out, "timerfd wrong", call([] { return ::timerfd_create(77, 0); }));
  note_made(out, "epoll", call([] { return ::epoll_create(1); }));
  note_made(out, "epoll none", call([] { return ::epoll_create(0); }));
  note_made(out, "epoll1", call([] { return ::epoll_create1(EPOLL_CLOEXEC); }));
  note_made(out, "epoll1 wrong", call([] { return ::epoll_create1(1); }));
  note_made(out, "inotify", call([] { return ::inotify_init(); }));
  note_made(out, "inotify both", call([] { return ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC); }));
  note_made(out, "inotify wrong", call([] { return ::inotify_init1(1); }));
}

void other_makers(outcome& out) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGUSR2);
  note_made(out, "signalfd", call([&] { return ::signalfd(-1, &signals, 0); }));
  note_made(out, "signalfd both", call([&] { return ::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC); }));
  note_made(out, "signalfd wrong", call([&] { return ::signalfd(-1, &signals, 1); }));
  const owned_fd made(::signalfd(-1, &signals, 0));
  const int number = made;
  out.note("signalfd again is the same", call([&] { return ::signalfd(made, &signals, 0); }).value == number);
  const fd_pair pipe = reading_pair(kind::pipe);
  out.note("signalfd of a pipe", call([&] { return ::signalfd(pipe.near, &signals, 0); }));
  note_made(out, "pidfd", call([] { return ::pidfd_open(::getpid(), 0); }));
  note_made(out, "pidfd nonblocking", call([] { return ::pidfd_open(::getpid(), O_NONBLOCK); }));
  note_made(out, "pidfd of nobody", call([] { return ::pidfd_open(opaque(-5), 0); }));
  note_made(out, "memfd", call([] { return ::memfd_create("probe", 0); }));
  note_made(out, "memfd cloexec", call([] { return ::memfd_create("probe", MFD_CLOEXEC); }));
  note_made(out, "memfd wrong", call([] { return ::memfd_create("probe", 1 << 20); }));
}

void opens(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  const std::string path = folder.file("file");
  const owned_fd at(::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY));
  note_made(out, "open", call([&] { return ::open(path.c_str(), O_RDONLY); }));
  note_made(out, "open64", call([&] { return ::open64(path.c_str(), O_RDWR | O_CLOEXEC); }));
  note_made(out, "openat", call([&] { return ::openat(at, "file", O_WRONLY | O_APPEND); }));
  note_made(out, "openat64", call([&] { return ::openat64(at, "file", O_RDONLY); }));
  note_made(out, "__open", call([&] { return ::__open(path.c_str(), O_RDONLY); }));
  note_made(out, "__open64", call([&] { return ::__open64(path.c_str(), O_RDONLY); }));
  note_made(out, "__open_2", call([&] { return ::__open_2(path.c_str(), O_RDONLY); }));
  note_made(out, "__open64_2", call([&] { return ::__open64_2(path.c_str(), O_RDONLY); }));
  note_made(out, "__openat_2", call([&] { return ::__openat_2(at, "file", O_RDONLY); }));
  note_made(out, "__openat64_2", call([&] { return ::__openat64_2(at, "file", O_RDONLY); }));
  note_made(out, "nonblocking", call([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK); }));
  note_made(out, "creat", call([&] { return ::creat(folder.file("new").c_str(), 0600); }));
  note_made(out, "missing", call([&] { return ::open(folder.file("missing").c_str(), O_RDONLY); }));
  note_made(out, "exists", call([&] { return ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600); }));
  note_made(out, "no folder", call([&] { return ::openat(opaque(-5), "file", O_RDONLY); }));
  note_made(out, "bad address", call([] { return ::open(static_cast<char*>(bad_address()), O_RDONLY); }));
  note_made(out, "a name below a file", call([&] { return ::open((path + "/x").c_str(), O_RDONLY); }));
}

/// The third argument arrives.
void open_mode(outcome& out) {
  const temporary_folder folder;
  const mode_t before = ::umask(0);
  const auto note_mode = [&](const char* name, result got) {
    const owned_fd made(static_cast<int>(got.value));
    struct stat about {};
    ::fstat(made, &about);
    out.note_fd(name, got).note("mode", std::to_string(about.st_mode & 07777));
  };
  note_mode("open", call([&] { return ::open(folder.file("a").c_str(), O_RDWR | O_CREAT, 0641); }));
  note_mode("open64", call([&] { return ::open64(folder.file("b").c_str(), O_RDWR | O_CREAT, 0612); }));
  note_mode("openat", call([&] { return ::openat(AT_FDCWD, folder.file("c").c_str(), O_RDWR | O_CREAT, 0604); }));
  note_mode("unnamed", call([&] { return ::open(folder.file(".").c_str(), O_RDWR | O_TMPFILE, 0623); }));
  ::umask(before);
}

/// Opening a fifo waits for the other side.
void open_fifo(outcome& out, int flags) {
  const temporary_folder folder;
  const std::string path = folder.file("fifo");
  ::mkfifo(path.c_str(), 0600);
  owned_fd other_end;
  const bool reads = flags == O_RDONLY;
  peer other([&](peer& self) {
    self.until_blocked();
    other_end = owned_fd(::open(path.c_str(), reads ? O_WRONLY : O_RDONLY));
    if (reads) {
      self.until_blocked();
      put(other_end, "hello");
    }
  });
  const result got = call([&] { return ::open(path.c_str(), flags); });
  const owned_fd made(static_cast<int>(got.value));
  out.note_fd("open", got).note("flags", flags_text(made));
  if (reads) {
    note_read(out, made);
  } else {
    other.join();
    out.note("write", call([&] { return ::write(made, "hello", 5); })).note("the other got", get(other_end, 5));
  }
}

void open_fifo_nonblocking(outcome& out) {
  const temporary_folder folder;
  const std::string path = folder.file("fifo");
  ::mkfifo(path.c_str(), 0600);
  out.note_fd("no reader", call([&] { return ::open(path.c_str(), O_WRONLY | O_NONBLOCK); }));
  const owned_fd reads(::open(path.c_str(), O_RDONLY | O_NONBLOCK));
  out.note("flags", flags_text(reads));
  note_read(out, reads);
  const owned_fd writes(::open(path.c_str(), O_WRONLY));
  note_read(out, reads);
  ::fcntl(reads, F_SETFL, 0);
  peer other([&](peer& self) {
    self.until_blocked();
    put(writes, "hello");
  });
  note_read(out, reads);
}

}  // namespace

void add_makers(probe_list& list) {
  list.add("socket's flags and errors", sockets);
  list.add("socketpair's flags and errors", socket_pairs);
  list.add("pipe's flags and errors", pipes);
  list.add("pipe with one nonblocking end", one_end_nonblocking);
  list.add("makers of events", event_makers);
  list.add("signalfd, pidfd_open, memfd_create", other_makers);
  list.add("open in all its names", opens);
  list.add("open's mode", open_mode);
  list.add("open a fifo to read", [](outcome& out) { open_fifo(out, O_RDONLY); });
  list.add("open a fifo to write", [](outcome& out) { open_fifo(out, O_WRONLY); });
  list.add("open a fifo nonblocking", open_fifo_nonblocking);
}

}  // namespace fidelity
