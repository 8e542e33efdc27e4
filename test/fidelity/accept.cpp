// accept and accept4: waiting, flags, addresses, and sockets that do not listen.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <netinet/in.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

owned_fd connected_to(int listener) {
  const address to = name_of_socket(listener);
  owned_fd client(::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ::connect(client, to.get(), to.size);
  return client;
}

void note_accepted(outcome& out, const char* name, result got) {
  out.note_fd(name, got);
  const owned_fd taken(static_cast<int>(got.value));
  if (got.value >= 0) {
    out.note("flags", flags_text(taken));
  }
}

void waits(outcome& out, int family, bool ready) {
  const owned_fd listener = tcp_listener(family);
  owned_fd client;
  if (ready) {
    client = connected_to(listener);
  }
  peer other([&](peer& self) {
    if (!ready) {
      self.until_blocked();
      client = connected_to(listener);
    }
  });
  address from;
  const result got = call([&] { return ::accept(listener, from.get(), &from.size); });
  out.note_fd("accept", got);
  const owned_fd taken(static_cast<int>(got.value));
  other.join();
  const address known = name_of_socket(client);
  out.note("from", address_text(from, &known)).note("flags", flags_text(taken)).note("listener", flags_text(listener));
  peer writer([&](peer& self) {
    self.until_blocked();
    put(client, "hello");
  });
  note_read(out, taken);
}

void unix_waits(outcome& out) {
  const temporary_folder folder;
  const address name = unix_address(folder.file("socket"));
  const owned_fd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  ::bind(listener, name.get(), name.size);
  ::listen(listener, 4);
  owned_fd client;
  peer other([&](peer& self) {
    self.until_blocked();
    client = owned_fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    ::connect(client, name.get(), name.size);
  });
  address from;
  note_accepted(out, "accept", call([&] { return ::accept(listener, from.get(), &from.size); }));
  out.note("from", address_text(from));
}

/// The flags of an accepted socket are those asked for, whatever the listener's are.
void flags(outcome& out, int listener_flags, int flags) {
  const owned_fd listener = tcp_listener(AF_INET, 8, listener_flags);
  const owned_fd first = connected_to(listener);
  const owned_fd second = connected_to(listener);
  pollfd entry{listener, POLLIN, 0};
  ::poll(&entry, 1, 2000);
  note_accepted(out, "accept4", call([&] { return ::accept4(listener, nullptr, nullptr, flags); }));
  note_accepted(out, "accept", call([&] { return ::accept(listener, nullptr, nullptr); }));
  out.note("listener", flags_text(listener));
}

/// What was accepted nonblocking does not wait, what was not does.
void accepted_reads(outcome& out, int flags) {
  const owned_fd listener = tcp_listener();
  const owned_fd client = connected_to(listener);
  const owned_fd taken(::accept4(listener, nullptr, nullptr, flags));
  if ((flags & SOCK_NONBLOCK) != 0) {
    note_read(out, taken);
    return;
  }
  peer writer([&](peer& self) {
    self.until_blocked();
    put(client, "hello");
  });
  note_read(out, taken);
}

void nonblocking(outcome& out) {
  const owned_fd listener = tcp_listener(AF_INET, 8, SOCK_NONBLOCK);
  note_accepted(out, "accept", call([&] { return ::accept(listener, nullptr, nullptr); }));
  ::fcntl(listener, F_SETFL, 0);
  set_timeout(listener, SO_RCVTIMEO, 0, 50'000);
  bystander other;
  const stopwatch watch;
  note_accepted(out, "timeout", call([&] { return ::accept(listener, nullptr, nullptr); }));
  out.note("took", watch.against(50ms));
  other.check();
  const owned_fd client = connected_to(listener);
  note_accepted(out, "then", call([&] { return ::accept(listener, nullptr, nullptr); }));
}

void short_address(outcome& out) {
  const owned_fd listener = tcp_listener();
  const owned_fd first = connected_to(listener);
  const owned_fd second = connected_to(listener);
  const owned_fd third = connected_to(listener);
  sockaddr_in room{};
  room.sin_port = 0;
  socklen_t size = 2;
  note_accepted(out, "short", call([&] { return ::accept(listener, reinterpret_cast<sockaddr*>(&room), &size); }));
  out.note("size", std::to_string(size)).note("port kept", room.sin_port == 0);
  size = static_cast<socklen_t>(opaque(-1));
  note_accepted(out, "negative", call([&] { return ::accept(listener, reinterpret_cast<sockaddr*>(&room), &size); }));
  note_accepted(out, "bad address", call([&] {
                  return ::accept(listener, static_cast<sockaddr*>(bad_address()),
                                  static_cast<socklen_t*>(bad_address()));
                }));
  size = 77;
  ::fcntl(listener, F_SETFL, O_NONBLOCK);
  note_accepted(out, "no room", call([&] { return ::accept(listener, nullptr, &size); }));
  note_accepted(out, "no size", call([&] { return ::accept(listener, nullptr, nullptr); }));
  out.note("size", std::to_string(size));
}

void wrong(outcome& out) {
  const owned_fd idle(::socket(AF_INET, SOCK_STREAM, 0));
  const owned_fd datagram = udp_socket();
  const fd_pair connection = tcp_pair();
  const fd_pair pipe = reading_pair(kind::pipe);
  const owned_fd listener = tcp_listener();
  for (const auto& [name, fd] : {std::pair<const char*, int>{"idle", idle},
                                 {"datagram", datagram},
                                 {"connected", connection.near},
                                 {"pipe", pipe.near},
                                 {"no fd", -1},
                                 {"closed", far_too_high_fd}}) {
    note_accepted(out, name, call([&, fd = fd] { return ::accept(fd, nullptr, nullptr); }));
  }
  note_accepted(out, "wrong flags", call([&] { return ::accept4(listener, nullptr, nullptr, 1 << 20); }));
}

void shut_while_waiting(outcome& out, int family) {
  const owned_fd listener = tcp_listener(family);
  peer other([&](peer& self) {
    self.until_blocked();
    ::shutdown(listener, SHUT_RDWR);
  });
  note_accepted(out, "accept", call([&] { return ::accept(listener, nullptr, nullptr); }));
}

/// A client that has gone again is accepted, and the reset comes with the first read.
void client_has_gone(outcome& out) {
  const owned_fd listener = tcp_listener();
  owned_fd client = connected_to(listener);
  linger_zero(client);
  client.reset();
  const result got = call([&] { return ::accept(listener, nullptr, nullptr); });
  const owned_fd taken(static_cast<int>(got.value));
  out.note_fd("accept", got);
  note_read(out, taken);
}

/// Clients that came while nobody accepted are all there.
void several(outcome& out) {
  const owned_fd listener = tcp_listener();
  owned_fd clients[4];
  peer other([&](peer& self) {
    self.until_blocked();
    for (owned_fd& client : clients) {
      client = connected_to(listener);
    }
  });
  for (int i = 0; i < 4; ++i) {
    note_accepted(out, "accept", call([&] { return ::accept(listener, nullptr, nullptr); }));
  }
}

/// Options of the listener that its children inherit.
void inherits_options(outcome& out) {
  const owned_fd listener = tcp_listener();
  set_timeout(listener, SO_RCVTIMEO, 0, 60'000);
  const owned_fd client = connected_to(listener);
  const owned_fd taken(::accept(listener, nullptr, nullptr));
  out.note("timeout", timeout_text(taken, SO_RCVTIMEO));
  const stopwatch watch;
  if (timeout_text(taken, SO_RCVTIMEO) != "0 ms") {
    note_read(out, taken);
    out.note("took", watch.against(60ms));
  }
}

}  // namespace

void add_accept(probe_list& list) {
  list.add("accept ready tcp4", [](outcome& out) { waits(out, AF_INET, true); });
  list.add("accept waits tcp4", [](outcome& out) { waits(out, AF_INET, false); });
  list.add("accept waits tcp6", [](outcome& out) { waits(out, AF_INET6, false); });
  list.add("accept waits unix", unix_waits);
  struct row {
    const char* name;
    int flags;
  };
  for (const row& asked : {row{"no flags", 0}, row{"SOCK_NONBLOCK", SOCK_NONBLOCK}, row{"SOCK_CLOEXEC", SOCK_CLOEXEC},
                           row{"both flags", SOCK_NONBLOCK | SOCK_CLOEXEC}}) {
    list.add(std::string("accept4 ") + asked.name, [=](outcome& out) { flags(out, 0, asked.flags); });
    list.add(std::string("accept4 on a nonblocking listener, ") + asked.name,
             [=](outcome& out) { flags(out, SOCK_NONBLOCK | SOCK_CLOEXEC, asked.flags); });
  }
  list.add("accepted reads", [](outcome& out) { accepted_reads(out, 0); });
  list.add("accepted nonblocking reads", [](outcome& out) { accepted_reads(out, SOCK_NONBLOCK); });
  list.add("accept nonblocking, then a timeout", nonblocking);
  list.add("accept's room for the address", short_address);
  list.add("accept, wrong arguments", wrong);
  list.add("accept, shut down meanwhile", [](outcome& out) { shut_while_waiting(out, AF_INET); });
  list.add("accept of a client that has gone", client_has_gone);
  list.add("accept of four", several);
  list.add("accepted inherits options", inherits_options);
}

}  // namespace fidelity
