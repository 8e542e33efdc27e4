#include "test/fidelity/calls.h"

#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <algorithm>
#include <array>
#include <string>

#include <sys/uio.h>
#include <unistd.h>

namespace fidelity {

namespace {

/// A buffer in three parts, the second one empty.
std::array<iovec, 3> three_parts(const void* buffer, std::size_t size) {
  char* const begin = static_cast<char*>(const_cast<void*>(buffer));
  const std::size_t first = size / 3;
  return {{{begin, first}, {begin + first, 0}, {begin + first, size - first}}};
}

msghdr message_of(std::array<iovec, 3>& parts) {
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return message;
}

ssize_t run_readv(int fd, void* buffer, std::size_t size, int /*flags*/) {
  const auto parts = three_parts(buffer, size);
  return ::readv(fd, parts.data(), parts.size());
}

ssize_t run_recvmsg(int fd, void* buffer, std::size_t size, int flags) {
  auto parts = three_parts(buffer, size);
  msghdr message = message_of(parts);
  return ::recvmsg(fd, &message, flags);
}

ssize_t run_recvmmsg(int fd, void* buffer, std::size_t size, int flags) {
  auto parts = three_parts(buffer, size);
  mmsghdr message{};
  message.msg_hdr = message_of(parts);
  const int count = ::recvmmsg(fd, &message, 1, flags, nullptr);
  return count == 1 ? static_cast<ssize_t>(message.msg_len) : count;
}

ssize_t run_writev(int fd, const void* data, std::size_t size, int /*flags*/) {
  const auto parts = three_parts(data, size);
  return ::writev(fd, parts.data(), parts.size());
}

ssize_t run_sendmsg(int fd, const void* data, std::size_t size, int flags) {
  auto parts = three_parts(data, size);
  const msghdr message = message_of(parts);
  return ::sendmsg(fd, &message, flags);
}

ssize_t run_sendmmsg(int fd, const void* data, std::size_t size, int flags) {
  auto parts = three_parts(data, size);
  mmsghdr message{};
  message.msg_hdr = message_of(parts);
  const int count = ::sendmmsg(fd, &message, 1, flags);
  return count == 1 ? static_cast<ssize_t>(message.msg_len) : count;
}

constexpr read_call all_read_calls[] = {
    {"read", false, [](int fd, void* buffer, std::size_t size, int) { return ::read(fd, buffer, size); }},
    {"readv", false, run_readv},
    {"__read", false, [](int fd, void* buffer, std::size_t size, int) { return ::__read(fd, buffer, size); }},
    {"__read_chk", false,
     [](int fd, void* buffer, std::size_t size, int) { return ::__read_chk(fd, buffer, size, size); }},
    {"recv", true, [](int fd, void* buffer, std::size_t size, int flags) { return ::recv(fd, buffer, size, flags); }},
    {"recvfrom", true,
     [](int fd, void* buffer, std::size_t size, int flags) {
       return ::recvfrom(fd, buffer, size, flags, nullptr, nullptr);
     }},
    {"recvmsg", true, run_recvmsg},
    {"recvmmsg", true, run_recvmmsg},
    {"__recv_chk", true,
     [](int fd, void* buffer, std::size_t size, int flags) { return ::__recv_chk(fd, buffer, size, size, flags); }},
    {"__recvfrom_chk", true,
     [](int fd, void* buffer, std::size_t size, int flags) {
       return ::__recvfrom_chk(fd, buffer, size, size, flags, nullptr, nullptr);
     }},
};

constexpr write_call all_write_calls[] = {
    {"write", false, [](int fd, const void* data, std::size_t size, int) { return ::write(fd, data, size); }},
    {"writev", false, run_writev},
    {"__write", false, [](int fd, const void* data, std::size_t size, int) { return ::__write(fd, data, size); }},
    {"send", true, [](int fd, const void* data, std::size_t size, int flags) { return ::send(fd, data, size, flags); }},
    {"__send", true,
     [](int fd, const void* data, std::size_t size, int flags) { return ::__send(fd, data, size, flags); }},
    {"sendto", true,
     [](int fd, const void* data, std::size_t size, int flags) { return ::sendto(fd, data, size, flags, nullptr, 0); }},
    {"sendmsg", true, run_sendmsg},
    {"sendmmsg", true, run_sendmmsg},
};

}  // namespace

std::span<const read_call> read_calls() { return all_read_calls; }

std::span<const write_call> write_calls() { return all_write_calls; }

const read_call& read_call_named(std::string_view name) {
  return *std::ranges::find_if(all_read_calls, [&](const read_call& each) { return each.name == name; });
}

const write_call& write_call_named(std::string_view name) {
  return *std::ranges::find_if(all_write_calls, [&](const write_call& each) { return each.name == name; });
}

result note_read(outcome& out, const read_call& reader, int fd, std::size_t size, int flags) {
  std::string buffer(size, '.');
  const result got = call([&] { return reader.run(fd, buffer.data(), size, flags); });
  out.note(reader.name, got);
  if (got.value > 0) {
    out.note("bytes", bytes_text(std::string_view(buffer).substr(0, static_cast<std::size_t>(got.value))));
  }
  return got;
}

result note_read(outcome& out, int fd, std::size_t size) { return note_read(out, read_call_named("read"), fd, size); }

void note_waiting_read(outcome& out, int fd, int far) {
  peer other([&](peer& self) {
    self.until_blocked();
    put(far, "hello");
  });
  note_read(out, fd);
}

result note_recv(outcome& out, int fd, std::size_t size, int flags) {
  return note_read(out, read_call_named("recv"), fd, size, flags);
}

}  // namespace fidelity
