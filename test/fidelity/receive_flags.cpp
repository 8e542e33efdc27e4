// Receiving with flags, broken connections, half-closed ones, and what a read leaves behind.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>

#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

constexpr kind streams[] = {kind::tcp4, kind::unix_stream};
constexpr kind messages[] = {kind::unix_dgram, kind::udp4, kind::unix_seqpacket};

void note_pending(outcome& out, int fd) {
  int pending = -1;
  out.note("FIONREAD", call([&] { return ::ioctl(fd, FIONREAD, &pending); }));
  out.note("pending", std::to_string(pending));
}

void dont_wait(outcome& out, kind of_pair, const read_call& reader) {
  const fd_pair pair = reading_pair(of_pair);
  note_read(out, reader, pair.near, 100, MSG_DONTWAIT);
  put(pair.far, "hello");
  note_read(out, reader, pair.near, 100, MSG_DONTWAIT);
  note_read(out, reader, pair.near, 100, MSG_DONTWAIT);
}

void wait_all_in_pieces(outcome& out, kind of_pair, const read_call& reader) {
  const fd_pair pair = reading_pair(of_pair);
  peer writer([&](peer& self) {
    for (const char* const piece : {"abc", "defg", "hij"}) {
      self.until_blocked();
      put(pair.far, piece);
    }
  });
  note_read(out, reader, pair.near, 10, MSG_WAITALL);
}

void wait_all_to_the_end(outcome& out, kind of_pair, const read_call& reader) {
  fd_pair pair = reading_pair(of_pair);
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "abc");
    self.until_blocked();
    pair.far.reset();
  });
  note_read(out, reader, pair.near, 10, MSG_WAITALL);
  note_read(out, reader, pair.near, 10, MSG_WAITALL);
}

void wait_all_timeout(outcome& out, kind of_pair, const read_call& reader) {
  const fd_pair pair = reading_pair(of_pair);
  set_timeout(pair.near, SO_RCVTIMEO, 0, 50'000);
  put(pair.far, "abc");
  const stopwatch watch;
  note_read(out, reader, pair.near, 10, MSG_WAITALL);
  out.note("took", watch.against(50ms));
  note_read(out, reader, pair.near, 10, MSG_WAITALL);
}

void wait_all_nonblocking(outcome& out, kind of_pair, const read_call& reader) {
  const fd_pair pair = reading_pair(of_pair);
  put(pair.far, "abc");
  note_read(out, reader, pair.near, 10, MSG_WAITALL | MSG_DONTWAIT);
  put(pair.far, "def");
  ::fcntl(pair.near, F_SETFL, O_NONBLOCK);
  note_read(out, reader, pair.near, 10, MSG_WAITALL);
}

void peek(outcome& out, kind of_pair, const read_call& reader) {
  const fd_pair pair = reading_pair(of_pair);
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  note_read(out, reader, pair.near, 3, MSG_PEEK);
  note_read(out, reader, pair.near, 100, MSG_PEEK);
  note_read(out, reader, pair.near);
  note_pending(out, pair.near);
}

void peek_all(outcome& out, kind of_pair, const read_call& reader) {
  const fd_pair pair = reading_pair(of_pair);
  put(pair.far, "abc");
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "defghij");
  });
  // Unix streams do not wait for all of it when they peek; tcp does.
  const result peeked = note_read(out, reader, pair.near, 10, MSG_PEEK | MSG_WAITALL);
  writer.join();
  note_pending(out, pair.near);
  out.note("peeked", peeked);
}

void large_wait_all(outcome& out, kind of_pair, const read_call& reader) {
  const fd_pair pair = tight_pair(of_pair);
  const std::string sent = pattern(1'000'000);
  peer writer([&](peer&) { put(pair.far, sent); });
  note_read(out, reader, pair.near, sent.size(), MSG_WAITALL);
  ::shutdown(pair.near, SHUT_RDWR);  // if that was not all of it, the writer must not wait for ever
}

void truncated(outcome& out, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  put(pair.far, "0123456789");
  put(pair.far, "abcdefghij");
  put(pair.far, "second");
  std::array<char, 5> small{};
  out.note("MSG_TRUNC", call([&] { return ::recv(pair.near, small.data(), small.size(), MSG_TRUNC); }));
  out.note("bytes", bytes_text({small.data(), small.size()}));
  iovec part{small.data(), small.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  out.note("recvmsg", call([&] { return ::recvmsg(pair.near, &message, 0); }));
  out.note("truncated", (message.msg_flags & MSG_TRUNC) != 0);
  note_read(out, pair.near, 3);
  note_recv(out, pair.near, 10, MSG_DONTWAIT);
}

void empty_message(outcome& out, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  peer writer([&](peer& self) {
    self.until_blocked();
    ::send(pair.far, "", 0, 0);
    self.until_blocked();
    put(pair.far, "x");
  });
  note_read(out, pair.near);
  note_recv(out, pair.near, 100, 0);
}

void out_of_band(outcome& out) {
  const fd_pair pair = tcp_pair();
  char byte = '.';
  out.note("none", call([&] { return ::recv(pair.near, &byte, 1, MSG_OOB); }));
  put(pair.far, "ab");
  ::send(pair.far, "!", 1, MSG_OOB);
  put(pair.far, "cd");
  pollfd entry{pair.near, POLLPRI, 0};
  out.note("poll", call([&] { return ::poll(&entry, 1, 2000); })).note("priority", (entry.revents & POLLPRI) != 0);
  int at_mark = -1;
  out.note("SIOCATMARK", call([&] { return ::ioctl(pair.near, SIOCATMARK, &at_mark); }));
  out.note("at mark", std::to_string(at_mark));
  note_read(out, pair.near);
  ::ioctl(pair.near, SIOCATMARK, &at_mark);
  out.note("at mark", std::to_string(at_mark));
  out.note("urgent", call([&] { return ::recv(pair.near, &byte, 1, MSG_OOB); })).note("byte", std::string(1, byte));
  note_read(out, pair.near);
}

void error_queue(outcome& out, kind of_pair) {
  // On an internet socket it never waits, blocking as that may be; a unix socket does not know the flag.
  const fd_pair pair = reading_pair(of_pair);
  set_timeout(pair.near, SO_RCVTIMEO, 0, 50'000);
  const stopwatch watch;
  note_recv(out, pair.near, 100, MSG_ERRQUEUE);
  out.note("took", watch.against(50ms));
}

void zero_bytes(outcome& out, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  // Of a message nothing at all is wanted, which waits for one nevertheless; of a stream, nothing is there at once.
  if (is_message(of_pair)) {
    put(pair.far, "lost");
  }
  note_read(out, pair.near, 0);
  put(pair.far, "hello");
  note_read(out, pair.near);
}

void reset_before(outcome& out, const read_call& reader) {
  fd_pair pair = tcp_pair();
  put(pair.far, "lost");
  linger_zero(pair.far);
  pair.far.reset();
  note_read(out, reader, pair.near);
  note_read(out, reader, pair.near);
}

void reset_later(outcome& out, const read_call& reader) {
  fd_pair pair = tcp_pair();
  peer closer([&](peer& self) {
    self.until_blocked();
    linger_zero(pair.far);
    pair.far.reset();
  });
  note_read(out, reader, pair.near);
  note_read(out, reader, pair.near);
}

/// A unix socket that is closed with unread bytes in it resets the connection.
void closed_with_unread(outcome& out) {
  fd_pair pair = socket_pair(SOCK_STREAM);
  put(pair.near, "never read");
  peer closer([&](peer& self) {
    self.until_blocked();
    pair.far.reset();
  });
  note_read(out, pair.near);
  note_read(out, pair.near);
}

void half_close(outcome& out, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  std::string answer;
  peer other([&](peer& self) {
    self.until_blocked();
    ::shutdown(pair.far, SHUT_WR);
    answer = get(pair.far, 5);
  });
  note_read(out, pair.near);
  out.note("write", call([&] { return ::write(pair.near, "still", 5); }));
  other.join();
  out.note("the other got", answer);
}

void own_shutdown(outcome& out, kind of_pair, int how) {
  const fd_pair pair = reading_pair(of_pair);
  peer other([&](peer& self) {
    self.until_blocked();
    ::shutdown(pair.near, how);
  });
  note_read(out, pair.near);
  note_read(out, pair.near);
}

void shutdown_results(outcome& out) {
  const fd_pair pair = tcp_pair();
  const owned_fd single(::socket(AF_INET, SOCK_STREAM, 0));
  const fd_pair pipe = reading_pair(kind::pipe);
  out.note("read side", call([&] { return ::shutdown(pair.near, SHUT_RD); }));
  out.note("write side", call([&] { return ::shutdown(pair.near, SHUT_WR); }));
  out.note("wrong", call([&] { return ::shutdown(pair.near, 17); }));
  out.note("not connected", call([&] { return ::shutdown(single, SHUT_RDWR); }));
  out.note("pipe", call([&] { return ::shutdown(pipe.near, SHUT_RD); }));
  note_read(out, pair.far);
}

void rights(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  const fd_pair gift = reading_pair(kind::pipe);
  std::array<char, CMSG_SPACE(sizeof(int))> control{};
  char byte = 'x';
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  *reinterpret_cast<int*>(CMSG_DATA(header)) = gift.near;
  peer sender([&](peer& self) {
    self.until_blocked();
    ::sendmsg(pair.far, &message, 0);
  });
  std::array<char, CMSG_SPACE(sizeof(int))> got{};
  msghdr answer = message;
  answer.msg_control = got.data();
  out.note("recvmsg", call([&] { return ::recvmsg(pair.near, &answer, MSG_CMSG_CLOEXEC); }));
  sender.join();
  const cmsghdr* const first = CMSG_FIRSTHDR(&answer);
  const owned_fd received(first == nullptr ? -1 : *reinterpret_cast<const int*>(CMSG_DATA(first)));
  out.note("flags", flags_text(received));
  peer writer([&](peer& self) {
    self.until_blocked();
    put(gift.far, "through");
  });
  note_read(out, received);
}

}  // namespace

void add_receive_flags(probe_list& list) {
  struct row {
    const char* name;
    void (*run)(outcome&, kind, const read_call&);
  };
  static constexpr row rows[] = {
      {"MSG_DONTWAIT", dont_wait},
      {"MSG_WAITALL in pieces", wait_all_in_pieces},
      {"MSG_WAITALL to the end", wait_all_to_the_end},
      {"MSG_WAITALL and a timeout", wait_all_timeout},
      {"MSG_WAITALL nonblocking", wait_all_nonblocking},
      {"MSG_PEEK", peek},
      {"MSG_PEEK|MSG_WAITALL", peek_all},
      {"MSG_WAITALL, a megabyte", large_wait_all},
  };
  for (const kind of_pair : streams) {
    for (const char* const name : {"recv", "recvmsg", "recvmmsg"}) {
      const read_call& reader = read_call_named(name);
      for (const row& each : rows) {
        list.add(std::string(name) + ' ' + name_of(of_pair) + ": " + each.name,
                 [=, &each, &reader](outcome& out) { each.run(out, of_pair, reader); });
      }
    }
    list.add(std::string("half close ") + name_of(of_pair), [=](outcome& out) { half_close(out, of_pair); });
    for (const auto& [how, side] : {std::pair{SHUT_RD, "SHUT_RD"}, {SHUT_RDWR, "SHUT_RDWR"}}) {
      list.add(std::string("own ") + side + " while reading " + name_of(of_pair),
               [=, how = how](outcome& out) { own_shutdown(out, of_pair, how); });
    }
    list.add(std::string("MSG_ERRQUEUE ") + name_of(of_pair), [=](outcome& out) { error_queue(out, of_pair); });
  }
  for (const kind of_pair : messages) {
    const std::string of = name_of(of_pair);
    const read_call& recv = read_call_named("recv");
    list.add("MSG_TRUNC " + of, [=](outcome& out) { truncated(out, of_pair); });
    list.add("empty message " + of, [=](outcome& out) { empty_message(out, of_pair); });
    list.add("MSG_PEEK " + of, [=, &recv](outcome& out) { peek(out, of_pair, recv); });
    list.add("MSG_WAITALL takes one message " + of, [=, &recv](outcome& out) {
      const fd_pair pair = reading_pair(of_pair);
      put(pair.far, "short");
      note_read(out, recv, pair.near, 100, MSG_WAITALL);
    });
  }
  for (const kind of_pair : {kind::tcp4, kind::unix_stream, kind::pipe, kind::unix_dgram, kind::udp4}) {
    list.add(std::string("zero bytes wanted of ") + name_of(of_pair), [=](outcome& out) { zero_bytes(out, of_pair); });
  }
  for (const char* const name : {"read", "recv", "recvmsg", "readv"}) {
    const read_call& reader = read_call_named(name);
    list.add(std::string(name) + " after a reset", [&](outcome& out) { reset_before(out, reader); });
    list.add(std::string(name) + " reset while waiting", [&](outcome& out) { reset_later(out, reader); });
  }
  list.add("MSG_ERRQUEUE udp4", [](outcome& out) { error_queue(out, kind::udp4); });
  list.add("MSG_OOB", out_of_band);
  list.add("unix closed with unread bytes", closed_with_unread);
  list.add("shutdown's results", shutdown_results);
  list.add("SCM_RIGHTS", rights);
}

}  // namespace fidelity
