#include "netio/prompt_calls.h"

#include "test/support/catch.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace prompt = csp::detail::prompt;

namespace {

/// A value, or -errno.
template <class Call>
ssize_t outcome(Call call) {
  errno = 0;
  const ssize_t result = call();
  return result >= 0 ? result : -errno;
}

class socket_pair {
 public:
  socket_pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends_.data()) == 0); }
  ~socket_pair() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  socket_pair(const socket_pair&) = delete;
  socket_pair& operator=(const socket_pair&) = delete;

  int here() const { return ends_[0]; }
  int there() const { return ends_[1]; }

 private:
  std::array<int, 2> ends_{-1, -1};
};

}  // namespace

TEST_CASE("prompt calls move bytes as the C library's do") {
  const socket_pair pair;
  std::array<char, 16> buffer{};
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  const auto received = [&](ssize_t count) {
    return std::string_view(buffer.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  };

  CHECK(prompt::send(pair.there(), "one", 3, MSG_NOSIGNAL) == 3);
  CHECK(received(prompt::recv(pair.here(), buffer.data(), buffer.size(), 0)) == "one");

  CHECK(prompt::sendto(pair.there(), "two", 3, 0, nullptr, 0) == 3);
  CHECK(received(prompt::recvfrom(pair.here(), buffer.data(), 2, MSG_PEEK, nullptr, nullptr)) == "tw");
  CHECK(received(prompt::recvmsg(pair.here(), &message, 0)) == "two");

  char text[] = "three";
  iovec source{text, 5};
  msghdr outgoing{};
  outgoing.msg_iov = &source;
  outgoing.msg_iovlen = 1;
  CHECK(prompt::sendmsg(pair.there(), &outgoing, MSG_NOSIGNAL) == 5);
  CHECK(received(prompt::preadv2(pair.here(), &part, 1, RWF_NOWAIT)) == "three");

  CHECK(prompt::pwritev2(pair.there(), &source, 1, RWF_NOWAIT) == 5);
  CHECK(received(prompt::recv(pair.here(), buffer.data(), buffer.size(), 0)) == "three");
}

TEST_CASE("prompt calls read and write files at the file's position") {
  char path[] = "/tmp/csp_prompt_calls.XXXXXX";
  const int fd = ::mkstemp(path);
  REQUIRE(fd >= 0);
  ::unlink(path);
  REQUIRE(::write(fd, "abcdef", 6) == 6);
  REQUIRE(::lseek(fd, 2, SEEK_SET) == 2);
  std::array<char, 2> buffer{};
  iovec part{buffer.data(), buffer.size()};
  CHECK(prompt::preadv2(fd, &part, 1, 0) == 2);
  CHECK(std::string_view(buffer.data(), 2) == "cd");
  CHECK(::lseek(fd, 0, SEEK_CUR) == 4);
  CHECK(prompt::pwritev2(fd, &part, 1, 0) == 2);
  CHECK(::lseek(fd, 0, SEEK_CUR) == 6);
  ::close(fd);
}

TEST_CASE("prompt calls fail as the C library's do") {
  const socket_pair pair;
  std::array<char, 16> buffer{};
  CHECK(outcome([&] { return prompt::recv(pair.here(), buffer.data(), buffer.size(), 0); }) == -EAGAIN);
  CHECK(outcome([&] { return prompt::recv(-1, buffer.data(), buffer.size(), 0); }) == -EBADF);
  CHECK(outcome([&] { return prompt::recv(0x7fff'ffff, buffer.data(), buffer.size(), 0); }) == -EBADF);
  REQUIRE(::shutdown(pair.here(), SHUT_WR) == 0);
  CHECK(outcome([&] { return prompt::send(pair.here(), "x", 1, MSG_NOSIGNAL); }) == -EPIPE);
  CHECK(outcome([&] { return prompt::recv(pair.there(), buffer.data(), buffer.size(), 0); }) == 0);
}

TEST_CASE("prompt calls do not write errno on success") {
  const socket_pair pair;
  errno = 4711;
  const ssize_t sent = prompt::send(pair.there(), "x", 1, 0);
  const int after = errno;
  CHECK(sent == 1);
  CHECK(after == 4711);
}
