// Messages: their addresses, several at once, full queues, and senders and receivers that are not there.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <cstring>

#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

/// recvfrom that waits, and the sender's address.
void sender_address(outcome& out, int family) {
  const owned_fd receiver = udp_socket(family);
  const owned_fd sender = udp_socket(family);
  const address to = name_of_socket(receiver);
  const address from = name_of_socket(sender);
  peer other([&](peer& self) {
    self.until_blocked();
    ::sendto(sender, "hello", 5, 0, to.get(), to.size);
    self.until_blocked();
    ::sendto(sender, "again", 5, 0, to.get(), to.size);
  });
  std::array<char, 20> buffer{};
  address filled;
  out.note("recvfrom",
           call([&] { return ::recvfrom(receiver, buffer.data(), buffer.size(), 0, filled.get(), &filled.size); }));
  out.note("from", address_text(filled, &from));
  filled = address{};
  out.note("__recvfrom_chk", call([&] {
             return ::__recvfrom_chk(receiver, buffer.data(), buffer.size(), buffer.size(), 0, filled.get(),
                                     &filled.size);
           }));
  out.note("from", address_text(filled, &from));
}

void short_address(outcome& out) {
  const owned_fd receiver = udp_socket();
  const owned_fd sender = udp_socket();
  const address to = name_of_socket(receiver);
  peer other([&](peer& self) {
    self.until_blocked();
    ::sendto(sender, "hello", 5, 0, to.get(), to.size);
  });
  std::array<char, 20> buffer{};
  std::array<unsigned char, sizeof(sockaddr_in)> room;
  room.fill(0xee);
  socklen_t size = 3;
  out.note("recvfrom", call([&] {
             return ::recvfrom(receiver, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(room.data()),
                               &size);
           }));
  out.note("size", std::to_string(size)).note("room kept", room[3] == 0xee && room[0] == AF_INET);
}

void message_header(outcome& out) {
  const owned_fd receiver = udp_socket();
  const owned_fd sender = udp_socket();
  const address to = name_of_socket(receiver);
  const address from = name_of_socket(sender);
  peer other([&](peer& self) {
    self.until_blocked();
    ::sendto(sender, "a long message", 14, 0, to.get(), to.size);
  });
  std::array<char, 6> buffer{};
  iovec part{buffer.data(), buffer.size()};
  address filled;
  msghdr message{};
  message.msg_name = &filled.storage;
  message.msg_namelen = filled.size;
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  out.note("recvmsg", call([&] { return ::recvmsg(receiver, &message, 0); }));
  filled.size = message.msg_namelen;
  out.note("from", address_text(filled, &from)).note("flags", std::to_string(message.msg_flags));
  out.note("control", std::to_string(message.msg_controllen)).note("bytes", bytes_text({buffer.data(), 6}));
}

/// Room for three messages of ten bytes.
struct batch {
  std::array<std::array<char, 10>, 3> buffers{};
  std::array<iovec, 3> parts{};
  std::array<mmsghdr, 3> messages{};
  batch() {
    for (std::size_t i = 0; i < messages.size(); ++i) {
      parts[i] = {buffers[i].data(), buffers[i].size()};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
  }
  batch(const batch&) = delete;
  batch& operator=(const batch&) = delete;
  [[nodiscard]] std::string text(long count) const {
    std::string all;
    for (long i = 0; i < count; ++i) {
      const auto at = static_cast<std::size_t>(i);
      all += bytes_text({buffers[at].data(), messages[at].msg_len});
    }
    return all;
  }
};

void several_at_once(outcome& out, kind of_pair, int flags, int sent_before, int sent_later) {
  const fd_pair pair = reading_pair(of_pair);
  for (int i = 0; i < sent_before; ++i) {
    put(pair.far, "before");
  }
  peer other([&](peer& self) {
    for (int i = 0; i < sent_later; ++i) {
      self.until_blocked();
      put(pair.far, "later");
    }
  });
  batch room;
  const result got = call([&] { return ::recvmmsg(pair.near, room.messages.data(), 3, flags, nullptr); });
  other.join();
  out.note("recvmmsg", got).note("messages", room.text(got.value));
}

/// The timeout of recvmmsg is looked at between messages only, and what is left of it is written back.
void batch_timeout(outcome& out) {
  const fd_pair pair = reading_pair(kind::udp4);
  batch room;
  timespec limit{0, 0};
  put(pair.far, "one");
  put(pair.far, "two");
  const result got = call([&] { return ::recvmmsg(pair.near, room.messages.data(), 3, 0, &limit); });
  out.note("no time", got).note("messages", room.text(got.value));
  note_recv(out, pair.near, 10, MSG_DONTWAIT);
  limit = {100, 0};
  put(pair.far, "three");
  const result second = call([&] { return ::recvmmsg(pair.near, room.messages.data(), 3, MSG_WAITFORONE, &limit); });
  out.note("much time", second).note("less is left", limit.tv_sec == 99);
  limit = {0, 2'000'000'000};
  out.note("wrong time", call([&] { return ::recvmmsg(pair.near, room.messages.data(), 3, 0, &limit); }));
  limit = {0, 20'000'000};
  peer other([&](peer& self) {
    self.until_blocked();
    std::this_thread::sleep_for(30ms);
    put(pair.far, "four");
  });
  const stopwatch watch;
  out.note("passed", call([&] { return ::recvmmsg(pair.near, room.messages.data(), 3, 0, &limit); }));
  out.note("took", watch.against(30ms)).note("left", std::to_string(limit.tv_sec * 1'000'000'000 + limit.tv_nsec));
}

void send_several(outcome& out, kind of_pair) {
  const fd_pair pair = writing_pair(of_pair);
  batch messages;
  const char* const texts[] = {"first", "", "third"};
  for (std::size_t i = 0; i < 3; ++i) {
    std::memcpy(messages.buffers[i].data(), texts[i], std::strlen(texts[i]));
    messages.parts[i].iov_len = std::strlen(texts[i]);
  }
  out.note("sendmmsg", call([&] { return ::sendmmsg(pair.near, messages.messages.data(), 3, 0); }));
  out.note("lengths", messages.text(3));
  for (int i = 0; i < 3; ++i) {
    note_recv(out, pair.far, 10, MSG_DONTWAIT);
  }
  out.note("none", call([&] { return ::sendmmsg(pair.near, messages.messages.data(), 0, 0); }));
}

/// A receiver's queue that is full: senders wait, or are told.
void full_queue(outcome& out, const write_call& writer) {
  const fd_pair pair = writing_pair(kind::unix_dgram);
  int queued = 0;
  while (::send(pair.near, "fill", 4, MSG_DONTWAIT) == 4) {
    ++queued;
  }
  out.note("full", error_name(errno));
  std::string got;
  peer reader([&](peer& self) {
    self.until_blocked();
    for (int i = 0; i < queued + 1; ++i) {
      got = get(pair.far, 4);
    }
  });
  out.note(writer.name, call([&] { return writer.run(pair.near, "last", 4, 0); }));
  reader.join();
  out.note("the other got", got);
}

void full_queue_timeout(outcome& out) {
  const fd_pair pair = writing_pair(kind::unix_dgram);
  while (::send(pair.near, "fill", 4, MSG_DONTWAIT) == 4) {
  }
  set_timeout(pair.near, SO_SNDTIMEO, 0, 50'000);
  const stopwatch watch;
  bystander other;
  out.note("write", call([&] { return ::write(pair.near, "last", 4); }));
  other.check();
  out.note("took", watch.against(50ms));
  batch messages;
  out.note("read one", call([&] { return ::read(pair.far, messages.buffers[0].data(), 10); }));
  // The first message fits, the others do not before the timeout: a count, not an error.
  out.note("sendmmsg", call([&] { return ::sendmmsg(pair.near, messages.messages.data(), 3, 0); }));
  ::fcntl(pair.near, F_SETFL, O_NONBLOCK);
  out.note("nonblocking", call([&] { return ::sendmmsg(pair.near, messages.messages.data(), 3, 0); }));
}

void refused(outcome& out, kind of_pair) {
  fd_pair pair = reading_pair(of_pair);
  pair.far.reset();
  out.note("send", call([&] { return ::send(pair.near, "x", 1, MSG_NOSIGNAL); }));
  if (of_pair == kind::udp4) {  // the answer is an ICMP message, which the next call reports
    note_read(out, pair.near);
  }
  note_recv(out, pair.near, 10, MSG_DONTWAIT);
}

void refused_while_waiting(outcome& out) {
  fd_pair pair = reading_pair(kind::udp4);
  pair.far.reset();
  peer other([&](peer& self) {
    self.until_blocked();
    ::send(pair.near, "x", 1, 0);
  });
  note_read(out, pair.near);
}

void no_destination(outcome& out) {
  const owned_fd udp(::socket(AF_INET, SOCK_DGRAM, 0));
  const owned_fd tcp(::socket(AF_INET, SOCK_STREAM, 0));
  const owned_fd local(::socket(AF_UNIX, SOCK_DGRAM, 0));
  const temporary_folder folder;
  const address missing = unix_address(folder.file("missing"));
  out.note("udp", call([&] { return ::send(udp, "x", 1, 0); }));
  out.note("tcp", call([&] { return ::send(tcp, "x", 1, MSG_NOSIGNAL); }));
  out.note("unix", call([&] { return ::send(local, "x", 1, MSG_NOSIGNAL); }));
  out.note("missing", call([&] { return ::sendto(local, "x", 1, 0, missing.get(), missing.size); }));
  const fd_pair pair = tcp_pair();
  const address other = name_of_peer(pair.near);
  out.note("connected", call([&] { return ::sendto(pair.near, "x", 1, 0, other.get(), other.size); }));
  note_read(out, pair.far, 1);
  const std::string huge = pattern(70'000);
  const fd_pair datagrams = reading_pair(kind::udp4);
  out.note("too large", call([&] { return ::send(datagrams.near, huge.data(), huge.size(), 0); }));
}

void named_unix(outcome& out) {
  const temporary_folder folder;
  const address name = unix_address(folder.file("socket"));
  const address own = unix_address(folder.file("client"));
  const owned_fd receiver(::socket(AF_UNIX, SOCK_DGRAM, 0));
  const owned_fd sender(::socket(AF_UNIX, SOCK_DGRAM, 0));
  ::bind(receiver, name.get(), name.size);
  ::bind(sender, own.get(), own.size);
  peer other([&](peer& self) {
    self.until_blocked();
    ::sendto(sender, "hello", 5, 0, name.get(), name.size);
  });
  std::array<char, 10> buffer{};
  address from;
  out.note("recvfrom",
           call([&] { return ::recvfrom(receiver, buffer.data(), buffer.size(), 0, from.get(), &from.size); }));
  out.note("sender", from.size == own.size && std::memcmp(from.get(), own.get(), own.size) == 0);
}

}  // namespace

void add_datagrams(probe_list& list) {
  list.add("recvfrom waits, udp4 address", [](outcome& out) { sender_address(out, AF_INET); });
  list.add("recvfrom waits, udp6 address", [](outcome& out) { sender_address(out, AF_INET6); });
  list.add("recvfrom, short room for the address", short_address);
  list.add("recvmsg fills the header", message_header);
  for (const kind of_pair : {kind::udp4, kind::unix_dgram}) {
    const std::string of = name_of(of_pair);
    list.add("recvmmsg of three " + of, [=](outcome& out) { several_at_once(out, of_pair, 0, 3, 0); });
    list.add("recvmmsg waits for all " + of, [=](outcome& out) { several_at_once(out, of_pair, 0, 1, 2); });
    list.add("recvmmsg MSG_WAITFORONE " + of,
             [=](outcome& out) { several_at_once(out, of_pair, MSG_WAITFORONE, 0, 1); });
    list.add("recvmmsg MSG_WAITFORONE of two " + of,
             [=](outcome& out) { several_at_once(out, of_pair, MSG_WAITFORONE, 2, 0); });
    list.add("recvmmsg MSG_DONTWAIT " + of, [=](outcome& out) { several_at_once(out, of_pair, MSG_DONTWAIT, 2, 0); });
    list.add("sendmmsg of three " + of, [=](outcome& out) { send_several(out, of_pair); });
    list.add("sent to nobody " + of, [=](outcome& out) { refused(out, of_pair); });
  }
  list.add("recvmmsg and its timeout", batch_timeout);
  for (const char* const name : {"write", "send", "sendmsg", "sendmmsg"}) {
    list.add(std::string(name) + " to a full queue", [=](outcome& out) { full_queue(out, write_call_named(name)); });
  }
  list.add("full queue and a timeout", full_queue_timeout);
  list.add("udp refused while waiting", refused_while_waiting);
  list.add("no destination", no_destination);
  list.add("named unix datagrams", named_unix);
}

}  // namespace fidelity
