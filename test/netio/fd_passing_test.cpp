#include "test/support/topologies.h"

#include <libcsp/net.h>

#include <sys/socket.h>
#include <cstring>

namespace {

/// Sends one byte and a descriptor along with it, which the receiver does not ask for.
bool send_with_descriptor(int socket, char byte) {
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &socket, sizeof socket);
  return ::sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

}  // namespace

TEST_CASE("a local stream is read to its end though a descriptor that came along cuts the reads short") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned) {
    auto [here, there] = csp::net::pair().value();
    auto reader = csp::spawn([&mine = here] {
      char buffer[16];
      std::size_t sum = 0;
      while (sum < 300) {
        const auto got = mine.read(buffer, sizeof buffer);
        if (!got || *got == 0) break;
        sum += *got;
      }
      return sum;
    });
    for (int i = 0; i < 100; ++i) {
      expect(send_with_descriptor(there.native_handle(), 'a'), "sent");
      expect(!there.write_all("bc"), "more");
      if (i % 10 == 0) csp::sleep_for(std::chrono::microseconds(100));
    }
    expect(reader.join() == 300, "all came");
  });
}
