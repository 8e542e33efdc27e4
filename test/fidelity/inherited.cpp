// Descriptors that are older than main, and the standard streams: nobody makes these nonblocking.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <sys/syscall.h>
#include <unistd.h>

namespace fidelity {

namespace {

/// Made by system calls before main, as if inherited from another program. Standard input is one of them.
struct heirlooms {
  int pipe[2] = {-1, -1};
  int pair[2] = {-1, -1};
  int input[2] = {-1, -1};
  heirlooms() {
    ::syscall(SYS_pipe2, pipe, 0);
    ::syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair);
    ::syscall(SYS_pipe2, input, O_CLOEXEC);
    ::syscall(SYS_dup3, input[0], 0, 0);
  }
};

const heirlooms inherited;

/// What the kernel has, whatever libcsp tells.
std::string true_flags(int fd) {
  const long flags = ::syscall(SYS_fcntl, fd, F_GETFL);
  return (flags & O_NONBLOCK) != 0 ? "nonblocking" : "blocking";
}

void older_than_main(outcome& out) {
  note_waiting_read(out, inherited.pipe[0], inherited.pipe[1]);
  note_waiting_read(out, inherited.pair[0], inherited.pair[1]);
  out.note("flags", flags_text(inherited.pipe[0]) + ", " + flags_text(inherited.pair[0]));
}

void standard_input(outcome& out) {
  out.note("before", true_flags(0));
  note_waiting_read(out, 0, inherited.input[1]);
  pollfd entry{0, POLLIN, 0};
  peer other([&](peer& self) {
    self.until_blocked();
    put(inherited.input[1], "again");
  });
  out.note("poll", call([&] { return ::poll(&entry, 1, 3000); }));
  note_read(out, 0);
  out.note("after", true_flags(0)).note("told", flags_text(0));
}

/// Standard error is a pipe that nobody reads for a while.
void standard_error(outcome& out) {
  const owned_fd aside(::fcntl(2, F_DUPFD_CLOEXEC, 100));
  const fd_pair pipe = writing_pair(kind::pipe);
  ::dup2(pipe.near, 2);
  const std::string data = pattern(200'000);
  std::string got;
  peer reader([&](peer& self) {
    self.until_blocked();
    got = get(pipe.far, data.size());
  });
  const result written = call([&] { return ::write(2, data.data(), data.size()); });
  reader.join();
  const std::string flags = true_flags(2);
  ::dup2(aside, 2);
  out.note("write", written).note("equal", got == data).note("flags", flags);
}

/// What is read and written in libcsp's ways stays blocking for the kernel where it is a file, a device or a terminal.
void true_flags_of_files(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  const owned_fd null(::open("/dev/null", O_RDWR));
  for (const int fd : {int{file}, int{null}}) {
    note_read(out, fd, 3);
    out.note("write", call([=] { return ::write(fd, "x", 1); })).note("flags", true_flags(fd));
  }
  out.note("output", true_flags(1)).note("error", true_flags(2));
}

/// A socket that another process shares: its flags are what that one sees, too.
void true_flags_of_sockets(outcome& out) {
  const fd_pair tcp = tcp_pair();
  const fd_pair pair = socket_pair(SOCK_STREAM);
  note_waiting_read(out, tcp.near, tcp.far);
  note_waiting_read(out, pair.near, pair.far);
  out.note("flags", true_flags(tcp.near) + ", " + true_flags(pair.near));
}

}  // namespace

void add_inherited(probe_list& list) {
  list.add("descriptors older than main", older_than_main);
  list.add("standard input", standard_input);
  list.add("standard error to a slow reader", standard_error);
  list.add("true flags of files", true_flags_of_files);
  list.add("true flags of sockets", true_flags_of_sockets);
}

}  // namespace fidelity
