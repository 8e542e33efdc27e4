// O_NONBLOCK as the user sets it, by every way there is, and dup, fcntl and ioctl in general.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <cstdlib>

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

constexpr kind kinds[] = {kind::tcp4, kind::unix_stream, kind::pipe, kind::fifo, kind::tty, kind::udp4};

/// Duplicates share the flags of the open file.
void shared(outcome& out, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  const owned_fd twin(::dup(pair.near));
  out.note("before", flags_text(twin));
  ::fcntl(twin, F_SETFL, ::fcntl(twin, F_GETFL) | O_NONBLOCK);
  out.note("original", flags_text(pair.near)).note("twin", flags_text(twin));
  note_read(out, pair.near);
  note_read(out, twin);
  int off = 0;
  ::ioctl(pair.near, FIONBIO, &off);
  out.note("original", flags_text(pair.near)).note("twin", flags_text(twin));
  note_waiting_read(out, twin, pair.far);
}

/// Flags set without libc's wrappers are the kernel's all the same.
void by_system_call(outcome& out, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  if (is_socket(of_pair)) {
    set_timeout(pair.near, SO_RCVTIMEO, 1, 0);  // so that a wait that should not be ends
  }
  const stopwatch watch;
  const long flags = ::syscall(SYS_fcntl, static_cast<int>(pair.near), F_GETFL);
  ::syscall(SYS_fcntl, static_cast<int>(pair.near), F_SETFL, flags | O_NONBLOCK);
  out.note("flags", flags_text(pair.near));
  note_read(out, pair.near);
  out.note("took", watch.against(1000ms));
  ::syscall(SYS_fcntl, static_cast<int>(pair.near), F_SETFL, flags & ~static_cast<long>(O_NONBLOCK));
  out.note("flags", flags_text(pair.near));
  note_waiting_read(out, pair.near, pair.far);
}

/// Another process that has the same open file sets the flag.
void by_child(outcome& out, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  note_waiting_read(out, pair.near, pair.far);
  const pid_t child = ::fork();
  if (child == 0) {
    ::fcntl(pair.near, F_SETFL, ::fcntl(pair.near, F_GETFL) | O_NONBLOCK);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  out.note("flags", flags_text(pair.near));
  note_read(out, pair.near);
}

/// Another thread, which is not in a task, sets the flag and clears it.
void by_thread(outcome& out, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  peer([&](peer&) { ::fcntl(pair.near, F_SETFL, ::fcntl(pair.near, F_GETFL) | O_NONBLOCK); }).join();
  note_read(out, pair.near);
  peer([&](peer&) { ::fcntl(pair.near, F_SETFL, ::fcntl(pair.near, F_GETFL) & ~O_NONBLOCK); }).join();
  note_waiting_read(out, pair.near, pair.far);
}

void made_by_system_call(outcome& out) {
  int ends[2];
  ::syscall(SYS_pipe2, ends, 0);
  const owned_fd reads(ends[0]);
  const owned_fd writes(ends[1]);
  note_waiting_read(out, reads, writes);
  ::syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ends);
  const owned_fd near(ends[0]);
  const owned_fd far(ends[1]);
  note_waiting_read(out, near, far);
  const owned_fd listener = tcp_listener();
  const address name = name_of_socket(listener);
  const owned_fd client(static_cast<int>(::syscall(SYS_socket, AF_INET, SOCK_STREAM, 0)));
  out.note("connect", call([&] { return ::connect(client, name.get(), name.size); }));
  const owned_fd server(static_cast<int>(::syscall(SYS_accept4, static_cast<int>(listener), nullptr, nullptr, 0)));
  note_waiting_read(out, server, client);
  const owned_fd nonblocking(static_cast<int>(::syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)));
  const address any = loopback(AF_INET);
  ::bind(nonblocking, any.get(), any.size);
  note_read(out, nonblocking);
}

void duplicates(outcome& out) {
  const fd_pair pair = reading_pair(kind::unix_stream);
  const auto note_copy = [&](const char* name, result got, int least = 0) {
    const owned_fd copy(static_cast<int>(got.value));
    out.note_fd(name, got);
    if (copy >= 0) {
      out.note("flags", flags_text(copy)).note("high enough", copy >= least);
      note_waiting_read(out, copy, pair.far);
    }
  };
  note_copy("dup", call([&] { return ::dup(pair.near); }));
  note_copy("dup2", call([&] { return ::dup2(pair.near, 611); }), 611);
  note_copy("__dup2", call([&] { return ::__dup2(pair.near, 612); }), 612);
  note_copy("dup3", call([&] { return ::dup3(pair.near, 613, O_CLOEXEC); }), 613);
  note_copy("F_DUPFD", call([&] { return ::fcntl(pair.near, F_DUPFD, 614); }), 614);
  note_copy("F_DUPFD_CLOEXEC", call([&] { return ::fcntl(pair.near, F_DUPFD_CLOEXEC, 615); }), 615);
  note_copy("__fcntl", call([&] { return ::__fcntl(pair.near, F_DUPFD, 616); }), 616);
  note_copy("fcntl64", call([&] { return ::fcntl64(pair.near, F_DUPFD_CLOEXEC, 617); }), 617);
  out.note("dup2 to itself is the same",
           call([&] { return ::dup2(pair.near, pair.near); }).value == static_cast<int>(pair.near));
  out.note_fd("dup3 to itself", call([&] { return ::dup3(pair.near, pair.near, 0); }));
  note_waiting_read(out, pair.near, pair.far);
}

void wrong_duplicates(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  out.note_fd("dup", call([] { return ::dup(far_too_high_fd); }));
  out.note_fd("dup -1", call([] { return ::dup(opaque(-1)); }));
  out.note_fd("dup2", call([] { return ::dup2(far_too_high_fd, 611); }));
  out.note_fd("dup2 to -1", call([&] { return ::dup2(pair.near, opaque(-1)); }));
  out.note_fd("dup2 too high", call([&] { return ::dup2(pair.near, 1 << 30); }));
  out.note_fd("dup2 of -1 to itself", call([] { return ::dup2(opaque(-1), opaque(-1)); }));
  out.note_fd("dup3 flags", call([&] { return ::dup3(pair.near, 611, O_APPEND); }));
  out.note_fd("F_DUPFD too high", call([&] { return ::fcntl(pair.near, F_DUPFD, 1 << 30); }));
  out.note_fd("F_DUPFD negative", call([&] { return ::fcntl(pair.near, F_DUPFD, -1); }));
}

void fcntl_commands(outcome& out) {
  const fd_pair pipe = reading_pair(kind::pipe);
  const fd_pair pair = reading_pair(kind::unix_stream);
  out.note("F_SETPIPE_SZ", call([&] { return ::fcntl(pipe.near, F_SETPIPE_SZ, 8192); }));
  out.note("F_GETPIPE_SZ", call([&] { return ::fcntl(pipe.far, F_GETPIPE_SZ); }));
  out.note("F_GETPIPE_SZ of a socket", call([&] { return ::fcntl(pair.near, F_GETPIPE_SZ); }));
  out.note("F_SETFD", call([&] { return ::fcntl(pair.near, F_SETFD, FD_CLOEXEC); }));
  out.note("flags", flags_text(pair.near));
  out.note("F_SETFD off", call([&] { return ::fcntl(pair.near, F_SETFD, 0); }));
  out.note("flags", flags_text(pair.near));
  out.note("F_SETOWN", call([&] { return ::fcntl(pair.near, F_SETOWN, ::getpid()); }));
  out.note("F_GETOWN", call([&] { return ::fcntl(pair.near, F_GETOWN); }).value == ::getpid());
  f_owner_ex owner{};
  out.note("F_GETOWN_EX", call([&] { return ::fcntl(pair.near, F_GETOWN_EX, &owner); }));
  out.note("owner", owner.type == F_OWNER_PID && owner.pid == ::getpid());
  out.note("F_SETFL of all", call([&] { return ::fcntl(pair.near, F_SETFL, O_APPEND | O_NONBLOCK); }));
  out.note("flags", flags_text(pair.near));
  out.note("F_SETFL back", call([&] { return ::fcntl(pair.near, F_SETFL, O_RDWR); }));
  out.note("flags", flags_text(pair.near));
  out.note("wrong", call([&] { return ::fcntl(pair.near, 7777); }));
  out.note("F_GETFL of nothing", call([] { return ::fcntl(far_too_high_fd, F_GETFL); }));
  out.note("F_SETFL of nothing", call([] { return ::fcntl(opaque(-1), F_SETFL, O_NONBLOCK); }));
}

void ioctl_commands(outcome& out) {
  const fd_pair pair = reading_pair(kind::unix_stream);
  const fd_pair terminal = reading_pair(kind::tty);
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  int number = 7;
  put(pair.far, "hello");
  out.note("FIONREAD", call([&] { return ::ioctl(pair.near, FIONREAD, &number); }));
  out.note("number", std::to_string(number));
  out.note("FIONREAD of a file", call([&] { return ::ioctl(file, FIONREAD, &number); }));
  out.note("number", std::to_string(number));
  winsize size{};
  out.note("TIOCGWINSZ", call([&] { return ::ioctl(terminal.near, TIOCGWINSZ, &size); }));
  out.note("TIOCGWINSZ of a socket", call([&] { return ::ioctl(pair.near, TIOCGWINSZ, &size); }));
  out.note("FIOCLEX", call([&] { return ::ioctl(pair.near, FIOCLEX); })).note("flags", flags_text(pair.near));
  out.note("FIONCLEX", call([&] { return ::ioctl(pair.near, FIONCLEX); })).note("flags", flags_text(pair.near));
  out.note("bad address", call([&] { return ::ioctl(pair.near, FIONBIO, bad_address()); }));
  number = 1;
  out.note("FIONBIO of a file", call([&] { return ::ioctl(file, FIONBIO, &number); })).note("flags", flags_text(file));
  out.note("FIONBIO of nothing", call([&] { return ::ioctl(far_too_high_fd, FIONBIO, &number); }));
  out.note("unknown", call([&] { return ::ioctl(pair.near, 0x1234'5678, &number); }));
}

/// The user's flag on files and devices.
void flags_of_files(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  const owned_fd null(::open("/dev/null", O_RDWR));
  for (const auto& [name, fd] : {std::pair<const char*, int>{"file", file}, {"null", null}}) {
    out.note(name, flags_text(fd));
    note_read(out, fd, 3);
    out.note("write", call([fd = fd] { return ::write(fd, "xy", 2); })).note("after", flags_text(fd));
    ::fcntl(fd, F_SETFL, O_NONBLOCK | O_APPEND);
    note_read(out, fd, 3);
    out.note("set", flags_text(fd));
  }
}

}  // namespace

void add_unseen_flags(probe_list& list) {
  for (const kind of_pair : kinds) {
    list.add(std::string("O_NONBLOCK by system call ") + name_of(of_pair),
             [=](outcome& out) { by_system_call(out, of_pair); });
  }
  list.add("made by system call", made_by_system_call);
}

void add_flags(probe_list& list) {
  for (const kind of_pair : kinds) {
    const std::string of = name_of(of_pair);
    list.add("O_NONBLOCK shared by duplicates " + of, [=](outcome& out) { shared(out, of_pair); });
    list.add("O_NONBLOCK by a child " + of, [=](outcome& out) { by_child(out, of_pair); });
    list.add("O_NONBLOCK by a thread " + of, [=](outcome& out) { by_thread(out, of_pair); });
  }
  list.add("duplicates", duplicates);
  list.add("wrong duplicates", wrong_duplicates);
  list.add("fcntl's commands", fcntl_commands);
  list.add("ioctl's commands", ioctl_commands);
  list.add("flags of files", flags_of_files);
}

}  // namespace fidelity
