// Wrong arguments to everything that takes a descriptor and a buffer.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <climits>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fidelity {

namespace {

struct any_call {
  const char* name;
  ssize_t (*run)(int fd);
};

std::array<char, 64>& room() {
  static std::array<char, 64> bytes{};
  return bytes;
}

constexpr any_call other_calls[] = {
    {"pread", [](int fd) { return ::pread(fd, room().data(), 4, 0); }},
    {"preadv",
     [](int fd) {
       const iovec part{room().data(), 4};
       return ::preadv(fd, &part, 1, 0);
     }},
    {"pwrite", [](int fd) { return ::pwrite(fd, "x", 1, 0); }},
    {"accept", [](int fd) { return ssize_t{::accept(fd, nullptr, nullptr)}; }},
    {"accept4", [](int fd) { return ssize_t{::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK)}; }},
    {"shutdown", [](int fd) { return ssize_t{::shutdown(fd, SHUT_RD)}; }},
    {"F_GETFL", [](int fd) { return ssize_t{::fcntl(fd, F_GETFL) < 0 ? -1 : 0}; }},
    {"F_SETFL", [](int fd) { return ssize_t{::fcntl(fd, F_SETFL, O_NONBLOCK)}; }},
    {"FIONBIO",
     [](int fd) {
       int on = 1;
       return ssize_t{::ioctl(fd, FIONBIO, &on)};
     }},
    {"getsockopt",
     [](int fd) {
       int value = 0;
       socklen_t size = sizeof value;
       return ssize_t{::getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size)};
     }},
    {"fsync", [](int fd) { return ssize_t{::fsync(fd)}; }},
    {"flock", [](int fd) { return ssize_t{::flock(fd, LOCK_SH | LOCK_NB)}; }},
    {"epoll_wait",
     [](int fd) {
       epoll_event event{};
       return ssize_t{::epoll_wait(fd, &event, 1, 0)};
     }},
    {"poll",
     [](int fd) {
       pollfd entry{fd, POLLIN, 0};
       const ssize_t count = ::poll(&entry, 1, 0);
       return count < 0 ? count : count * 1000 + entry.revents;
     }},
};

/// Things on which most calls fail, each nonblocking so that none waits.
class menagerie {
 public:
  menagerie() {
    for (const int fd : {int{pipe_.near}, int{pipe_.far}, int{dgram_}, int{listener_}, int{event_}, int{idle_}}) {
      ::fcntl(fd, F_SETFL, O_NONBLOCK);
    }
  }
  template <class F>
  void each(F&& run) {
    run("-1", opaque(-1));
    run("min", opaque(INT_MIN));
    run("closed", far_too_high_fd);
    run("folder", folder_);
    run("path", path_);
    run("file", file_);
    run("pipe to read", pipe_.near);
    run("pipe to write", pipe_.far);
    run("idle tcp", idle_);
    run("listener", listener_);
    run("idle unix", idle_unix_);
    run("datagram", dgram_);
    run("eventfd", event_);
    run("epoll", epoll_);
  }

 private:
  temporary_folder place_;
  owned_fd folder_{::open("/", O_RDONLY | O_DIRECTORY)};
  owned_fd path_{::open("/tmp", O_PATH)};
  owned_fd file_{file_with(place_, "content")};
  fd_pair pipe_ = reading_pair(kind::pipe);
  owned_fd idle_{::socket(AF_INET, SOCK_STREAM, 0)};
  owned_fd idle_unix_{::socket(AF_UNIX, SOCK_STREAM, 0)};
  owned_fd listener_ = tcp_listener();
  owned_fd dgram_ = udp_socket();
  owned_fd event_{::eventfd(0, 0)};
  owned_fd epoll_{::epoll_create1(0)};
};

void note_everywhere(outcome& out, const std::function<ssize_t(int fd)>& run) {
  menagerie all;
  all.each([&](const char* name, int fd) { out.note(name, call([&] { return run(fd); })); });
}

/// Data is there, but the buffer is not.
void bad_buffer(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  put(pair.far, "hello");
  out.note("bad buffer", call([&] { return reader.run(pair.near, bad_address(), 30, 0); }));
  ::fcntl(pair.near, F_SETFL, O_NONBLOCK);
  note_read(out, pair.near, 10);  // a stream keeps them, a message is lost
}

/// The buffer turns out to be bad only after the call has waited.
void bad_buffer_later(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  peer other([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  out.note("bad buffer", call([&] { return reader.run(pair.near, bad_address(), 30, 0); }));
}

void bad_data(outcome& out, const write_call& writer, kind of_pair) {
  const fd_pair pair = writing_pair(of_pair);
  out.note("bad data", call([&] { return writer.run(pair.near, bad_address(), 30, 0); }));
  int pending = -1;
  ::ioctl(pair.far, FIONREAD, &pending);
  out.note("pending", std::to_string(pending));
}

/// The good part of a buffer whose rest is bad.
void half_bad(outcome& out) {
  char* const pages =
      static_cast<char*>(::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ::mprotect(pages + 4096, 4096, PROT_NONE);
  const fd_pair pipe = writing_pair(kind::pipe);
  out.note("write", call([&] { return ::write(pipe.near, pages + 4000, 200); }));
  const iovec parts[] = {{pages, 10}, {pages + 4096, 10}, {pages + 10, 10}};
  const fd_pair pair = socket_pair(SOCK_STREAM);
  out.note("writev", call([&] { return ::writev(pair.near, parts, 3); }));
  put(pair.far, "0123456789abcdefghij");
  out.note("readv", call([&] { return ::readv(pair.near, parts, 3); }));
  ::munmap(pages, 8192);
}

/// The description of the buffers itself is bad.
void bad_description(outcome& out, long (*calls)(int fd, void* bad)) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  put(pair.far, "hello");
  out.note("result", call([&] { return calls(pair.near, bad_address()); }));
}

void bad_vectors(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  put(pair.far, "hello");
  char byte = 0;
  const iovec huge[] = {{&byte, static_cast<std::size_t>(SSIZE_MAX)}, {&byte, static_cast<std::size_t>(SSIZE_MAX)}};
  const iovec one{&byte, 1};
  out.note("negative count", call([&] { return ::readv(pair.near, &one, opaque(-1)); }));
  out.note("huge sum", call([&] { return ::readv(pair.near, huge, 2); }));
  out.note("no part", call([&] { return ::readv(pair.near, &one, 0); }));
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(&one);
  message.msg_iovlen = 1025;
  out.note("too many parts", call([&] { return ::recvmsg(pair.near, &message, 0); }));
  message.msg_iovlen = 0;
  out.note("no part of a message", call([&] { return ::recvmsg(pair.near, &message, MSG_DONTWAIT); }));
  out.note("unknown flags", call([&] { return ::recv(pair.near, &byte, 1, 0x0080'0000); }));
  out.note("out of band", call([&] { return ::recv(pair.near, &byte, 1, MSG_OOB); }));
  out.note("send out of band", call([&] { return ::send(pair.near, &byte, 1, MSG_OOB); }).value >= -1);
}

}  // namespace

void add_bad(probe_list& list) {
  for (const read_call& each : read_calls()) {
    list.add(std::string(each.name) + " of all sorts", [&](outcome& out) {
      note_everywhere(out, [&](int fd) { return each.run(fd, room().data(), 4, MSG_DONTWAIT); });
    });
  }
  for (const write_call& each : write_calls()) {
    list.add(std::string(each.name) + " to all sorts", [&](outcome& out) {
      note_everywhere(out, [&](int fd) { return each.run(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT); });
    });
  }
  for (const any_call& each : other_calls) {
    list.add(std::string(each.name) + " of all sorts", [&](outcome& out) { note_everywhere(out, each.run); });
  }
  for (const kind of_pair : {kind::tcp4, kind::unix_stream, kind::pipe, kind::unix_dgram}) {
    for (const char* const name : {"read", "recvmsg", "readv"}) {
      const read_call& reader = read_call_named(name);
      if (is_socket(of_pair) || !reader.sockets_only) {
        const std::string of = std::string(name) + ' ' + name_of(of_pair);
        list.add(of + ": bad buffer", [&, of_pair](outcome& out) { bad_buffer(out, reader, of_pair); });
        list.add(of + ": bad buffer later", [&, of_pair](outcome& out) { bad_buffer_later(out, reader, of_pair); });
      }
    }
    for (const char* const name : {"write", "sendmsg"}) {
      const write_call& writer = write_call_named(name);
      if (is_socket(of_pair) || !writer.sockets_only) {
        list.add(std::string(name) + ' ' + name_of(of_pair) + ": bad data",
                 [&, of_pair](outcome& out) { bad_data(out, writer, of_pair); });
      }
    }
  }
  list.add("buffers that are half bad", half_bad);
  struct row {
    const char* name;
    long (*calls)(int fd, void* bad);
  };
  static constexpr row rows[] = {
      {"readv", [](int fd, void* bad) { return long{::readv(fd, static_cast<iovec*>(bad), 2)}; }},
      {"writev", [](int fd, void* bad) { return long{::writev(fd, static_cast<iovec*>(bad), 2)}; }},
      {"recvmsg", [](int fd, void* bad) { return long{::recvmsg(fd, static_cast<msghdr*>(bad), 0)}; }},
      {"sendmsg", [](int fd, void* bad) { return long{::sendmsg(fd, static_cast<msghdr*>(bad), 0)}; }},
      {"recvmmsg", [](int fd, void* bad) { return long{::recvmmsg(fd, static_cast<mmsghdr*>(bad), 1, 0, nullptr)}; }},
      {"sendmmsg", [](int fd, void* bad) { return long{::sendmmsg(fd, static_cast<mmsghdr*>(bad), 1, 0)}; }},
  };
  for (const row& each : rows) {
    list.add(std::string(each.name) + ", bad description of the buffers",
             [&](outcome& out) { bad_description(out, each.calls); });
  }
  list.add("bad vectors and flags", bad_vectors);
}

}  // namespace fidelity
