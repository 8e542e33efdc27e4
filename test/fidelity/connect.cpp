// connect: to a listener, to nobody, to a full queue, twice, and without waiting.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

using connect_call = int (*)(int, const sockaddr*, socklen_t);

result connect_to(int fd, const address& to, connect_call connects = ::connect) {
  return call([&] { return connects(fd, to.get(), to.size); });
}

owned_fd tcp_socket(int family = AF_INET, int flags = 0) { return owned_fd(::socket(family, SOCK_STREAM | flags, 0)); }

void note_socket_error(outcome& out, int fd) {
  int error = -1;
  socklen_t size = sizeof error;
  out.note("SO_ERROR", call([&] { return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size); }));
  out.note("error", error == 0 ? "0" : error_name(error));
}

void to_listener(outcome& out, int family, connect_call connects) {
  const owned_fd listener = tcp_listener(family);
  const owned_fd client = tcp_socket(family);
  const address to = name_of_socket(listener);
  out.note("connect", connect_to(client, to, connects)).note("after", flags_text(client));
  out.note("peer", address_text(name_of_peer(client), &to));
  out.note("again", connect_to(client, to));
  const owned_fd server(::accept(listener, nullptr, nullptr));
  peer other([&](peer& self) {
    self.until_blocked();
    put(server, "hello");
  });
  note_read(out, client);
}

void refused(outcome& out, int family) {
  const owned_fd client = tcp_socket(family);
  const stopwatch watch;
  out.note("connect", connect_to(client, nobody(family))).note("took", watch.against(1000ms));
  note_socket_error(out, client);
  // Linux lets a refused socket try again.
  const owned_fd listener = tcp_listener(family);
  out.note("then", connect_to(client, name_of_socket(listener))).note("after", flags_text(client));
}

void nonblocking(outcome& out, bool to_somebody, int how) {
  const owned_fd listener = tcp_listener();
  const owned_fd client = tcp_socket(AF_INET, how == 0 ? SOCK_NONBLOCK : 0);
  int on = 1;
  if (how == 1) {
    ::fcntl(client, F_SETFL, O_NONBLOCK);
  } else if (how == 2) {
    ::ioctl(client, FIONBIO, &on);
  }
  const address to = to_somebody ? name_of_socket(listener) : nobody();
  const result begun = connect_to(client, to);
  out.note("connect", begun);
  pollfd entry{client, POLLOUT, 0};
  out.note("poll", call([&] { return ::poll(&entry, 1, 3000); }));
  out.note("writable", (entry.revents & POLLOUT) != 0).note("hung up", (entry.revents & POLLHUP) != 0);
  note_socket_error(out, client);
  note_socket_error(out, client);
  out.note("again", connect_to(client, to)).note("after", flags_text(client));
}

/// A listener whose queue is full answers nothing: connects to it hang.
struct full_listener {
  owned_fd listener = tcp_listener(AF_INET, 0);
  address name = name_of_socket(listener);
  std::vector<owned_fd> queued;
  full_listener() {
    // The queue of a backlog of 0 takes one connection; a second one hangs for certain.
    for (int i = 0; i < 2; ++i) {
      queued.push_back(tcp_socket(AF_INET, SOCK_NONBLOCK));
      static_cast<void>(connect_to(queued.back(), name));
      pollfd entry{queued.back(), POLLOUT, 0};
      ::poll(&entry, 1, 20);
    }
  }
};

void black_hole(outcome& out) {
  const full_listener full;
  const owned_fd client = tcp_socket();
  set_timeout(client, SO_SNDTIMEO, 0, 60'000);
  bystander other;
  const stopwatch watch;
  out.note("connect", connect_to(client, full.name)).note("took", watch.against(60ms));
  other.check();
  set_timeout(client, SO_SNDTIMEO, 0, 30'000);
  out.note("again", connect_to(client, full.name)).note("after", flags_text(client));
  ::fcntl(client, F_SETFL, O_NONBLOCK);
  out.note("nonblocking", connect_to(client, full.name));
}

void slow_listener(outcome& out) {
  full_listener full;
  const owned_fd client = tcp_socket();
  peer other([&](peer& self) {
    self.until_blocked();
    full.queued.clear();
    for (int i = 0; i < 2; ++i) {  // what waits in the queue goes; the next try of the client's kernel gets in
      const owned_fd taken(::accept4(full.listener, nullptr, nullptr, SOCK_CLOEXEC));
      pollfd entry{full.listener, POLLIN, 0};
      ::poll(&entry, 1, 3000);
    }
  });
  const stopwatch watch;
  out.note("connect", connect_to(client, full.name)).note("took", watch.against(200ms));
}

/// The connection goes on after the timeout; a second connect waits for the same one.
void timeout_then_wait(outcome& out) {
  full_listener full;
  const owned_fd client = tcp_socket();
  set_timeout(client, SO_SNDTIMEO, 0, 40'000);
  out.note("connect", connect_to(client, full.name));
  set_timeout(client, SO_SNDTIMEO, 0, 0);
  peer other([&](peer& self) {
    self.until_blocked();
    full.queued.clear();
    const owned_fd taken(::accept4(full.listener, nullptr, nullptr, SOCK_CLOEXEC));
  });
  out.note("again", connect_to(client, full.name));
  note_socket_error(out, client);
}

void shut_while_connecting(outcome& out) {
  const full_listener full;
  const owned_fd client = tcp_socket();
  peer other([&](peer& self) {
    self.until_blocked();
    ::shutdown(client, SHUT_RDWR);
  });
  out.note("connect", connect_to(client, full.name));
}

void unix_names(outcome& out) {
  const temporary_folder folder;
  const owned_fd client(::socket(AF_UNIX, SOCK_STREAM, 0));
  out.note("missing", connect_to(client, unix_address(folder.file("missing"))));
  const owned_fd file = file_with(folder, "x");
  out.note("a file", connect_to(client, unix_address(folder.file("file"))));
  const owned_fd bound(::socket(AF_UNIX, SOCK_STREAM, 0));
  const address name = unix_address(folder.file("socket"));
  ::bind(bound, name.get(), name.size);
  out.note("nobody listens", connect_to(client, name));
  const owned_fd datagram(::socket(AF_UNIX, SOCK_DGRAM, 0));
  out.note("another type", connect_to(datagram, name));
  ::listen(bound, 4);
  out.note("connect", connect_to(client, name)).note("again", connect_to(client, name));
  out.note("after", flags_text(client));
}

/// connect to a unix socket waits while the queue is full.
void unix_full(outcome& out, int how) {
  const temporary_folder folder;
  const address name = unix_address(folder.file("socket"));
  const owned_fd listener(::socket(AF_UNIX, SOCK_STREAM, 0));
  ::bind(listener, name.get(), name.size);
  ::listen(listener, 0);
  const owned_fd first(::socket(AF_UNIX, SOCK_STREAM, 0));
  out.note("first", connect_to(first, name));
  const owned_fd second(::socket(AF_UNIX, SOCK_STREAM | (how == 1 ? SOCK_NONBLOCK : 0), 0));
  if (how == 1) {
    out.note("nonblocking", connect_to(second, name));
  } else if (how == 2) {
    set_timeout(second, SO_SNDTIMEO, 0, 50'000);
    const stopwatch watch;
    out.note("timeout", connect_to(second, name)).note("took", watch.against(50ms));
  } else {
    peer other([&](peer& self) {
      self.until_blocked();
      const owned_fd taken(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    });
    out.note("waits", connect_to(second, name));
  }
  out.note("after", flags_text(second));
}

void datagram_sockets(outcome& out) {
  const owned_fd client(::socket(AF_INET, SOCK_DGRAM, 0));
  const owned_fd server = udp_socket();
  out.note("connect", connect_to(client, name_of_socket(server)));
  out.note("again", connect_to(client, nobody()));
  address none;
  none.storage.ss_family = AF_UNSPEC;
  out.note("dissolve", connect_to(client, none));
  out.note("send", call([&] { return ::send(client, "x", 1, 0); }));
}

void wrong(outcome& out) {
  const fd_pair pipe = reading_pair(kind::pipe);
  const owned_fd client = tcp_socket();
  const owned_fd listener = tcp_listener();
  const address to = name_of_socket(listener);
  out.note("no socket", connect_to(pipe.near, to)).note("no fd", connect_to(opaque(-1), to));
  out.note("closed", connect_to(far_too_high_fd, to));
  out.note("short", call([&] { return ::connect(client, to.get(), 3); }));
  out.note("bad address", call([&] { return ::connect(client, static_cast<sockaddr*>(bad_address()), 16); }));
  address other = loopback(AF_INET6);
  out.note("other family", connect_to(client, other));
  out.note("a listener", connect_to(listener, to));
  address none;
  none.storage.ss_family = AF_UNSPEC;
  out.note("unspecified", connect_to(client, none));
  out.note("then", connect_to(client, to));
  out.note("dissolve", connect_to(client, none)).note("then", connect_to(client, to));
}

void reset_at_once(outcome& out) {
  const owned_fd listener = tcp_listener();
  owned_fd client = tcp_socket();
  static_cast<void>(connect_to(client, name_of_socket(listener)));
  owned_fd server(::accept(listener, nullptr, nullptr));
  linger_zero(server);
  server.reset();
  note_read(out, client);
  out.note("send", call([&] { return ::send(client, "x", 1, MSG_NOSIGNAL); }));
  note_socket_error(out, client);
}

}  // namespace

void add_connect(probe_list& list) {
  list.add("connect tcp4", [](outcome& out) { to_listener(out, AF_INET, ::connect); });
  list.add("connect tcp6", [](outcome& out) { to_listener(out, AF_INET6, ::connect); });
  list.add("__connect tcp4", [](outcome& out) { to_listener(out, AF_INET, ::__connect); });
  list.add("connect refused tcp4", [](outcome& out) { refused(out, AF_INET); });
  list.add("connect refused tcp6", [](outcome& out) { refused(out, AF_INET6); });
  for (const auto& [how, name] : {std::pair{0, "SOCK_NONBLOCK"}, {1, "F_SETFL"}, {2, "FIONBIO"}}) {
    list.add(std::string("connect nonblocking by ") + name, [how = how](outcome& out) { nonblocking(out, true, how); });
    list.add(std::string("connect nonblocking to nobody by ") + name,
             [how = how](outcome& out) { nonblocking(out, false, how); });
  }
  list.add("connect to a black hole with a timeout", black_hole);
  list.add("connect to a slow listener", slow_listener);
  list.add("connect again after a timeout", timeout_then_wait);
  list.add("connect, shut down meanwhile", shut_while_connecting);
  list.add("connect unix", unix_names);
  list.add("connect unix, full queue", [](outcome& out) { unix_full(out, 0); });
  list.add("connect unix, full queue, nonblocking", [](outcome& out) { unix_full(out, 1); });
  list.add("connect unix, full queue, timeout", [](outcome& out) { unix_full(out, 2); });
  list.add("connect udp", datagram_sockets);
  list.add("connect, wrong arguments", wrong);
  list.add("connected and reset", reset_at_once);
}

}  // namespace fidelity
