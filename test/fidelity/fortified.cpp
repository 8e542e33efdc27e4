// Compiled with -D_FORTIFY_SOURCE=2 and -O2: with buffers whose size the compiler knows and counts that it does not,
// the calls below go to the checking forms, such as __read_chk.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

std::size_t unknown_size(int size) { return static_cast<std::size_t>(opaque(size)); }

template <class F>
void note_waiting(outcome& out, const char* name, const fd_pair& pair, F&& reads) {
  peer other([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  out.note(name, call(reads));
}

// Each call stands beside its buffer: the compiler must see how large that is.

ssize_t read_some(int fd, std::size_t size) {
  char buffer[32];
  return ::read(fd, buffer, size);
}

ssize_t receive_some(int fd, std::size_t size) {
  char buffer[32];
  return ::recv(fd, buffer, size, 0);
}

ssize_t receive_from(int fd, std::size_t size) {
  char buffer[32];
  return ::recvfrom(fd, buffer, size, 0, nullptr, nullptr);
}

ssize_t read_at(int fd, std::size_t size) {
  char buffer[32];
  return ::pread(fd, buffer, size, 4);
}

ssize_t read_at_64(int fd, std::size_t size) {
  char buffer[32];
  return ::pread64(fd, buffer, size, 5);
}

int poll_some(int fd, std::size_t count, int limit) {
  pollfd entries[2] = {{fd, POLLIN, 0}, {-1, POLLIN, 0}};
  return ::poll(entries, count, limit);
}

int poll_exactly(int fd, std::size_t count, long seconds) {
  pollfd entries[2] = {{fd, POLLIN, 0}, {-1, POLLIN, 0}};
  const timespec limit{seconds, 0};
  return ::ppoll(entries, count, &limit, nullptr);
}

void reads(outcome& out) {
  const fd_pair pipe = reading_pair(kind::pipe);
  const fd_pair pair = socket_pair(SOCK_STREAM);
  note_waiting(out, "read", pipe, [&] { return read_some(pipe.near, unknown_size(20)); });
  note_waiting(out, "recv", pair, [&] { return receive_some(pair.near, unknown_size(20)); });
  note_waiting(out, "recvfrom", pair, [&] { return receive_from(pair.near, unknown_size(20)); });
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "0123456789");
  out.note("pread", call([&] { return read_at(file, unknown_size(20)); }));
  out.note("pread64", call([&] { return read_at_64(file, unknown_size(20)); }));
  out.note("no fd", call([] { return read_some(far_too_high_fd, unknown_size(20)); }));
}

void polls(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  const stopwatch watch;
  out.note("poll", call([&] { return poll_some(pair.near, unknown_size(2), 40); })).note("took", watch.against(40ms));
  note_waiting(out, "poll", pair, [&] { return poll_some(pair.near, unknown_size(2), -1); });
  out.note("read", call([&] { return read_some(pair.near, unknown_size(8)); }));
  note_waiting(out, "ppoll", pair, [&] { return poll_exactly(pair.near, unknown_size(2), 3); });
}

void opens(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  const std::string path = folder.file("file");
  const owned_fd first(::open(path.c_str(), opaque(O_RDONLY)));
  const owned_fd second(::openat(AT_FDCWD, path.c_str(), opaque(O_RDONLY)));
  const owned_fd third(::open64(path.c_str(), opaque(O_RDONLY)));
  const owned_fd fourth(::openat64(AT_FDCWD, path.c_str(), opaque(O_RDONLY)));
  for (const int fd : {int{first}, int{second}, int{third}, int{fourth}}) {
    note_read(out, fd, 4);
  }
}

}  // namespace

void add_fortified(probe_list& list) {
  list.add("fortified reads", reads);
  list.add("fortified polls", polls);
  list.add("fortified opens", opens);
}

}  // namespace fidelity
