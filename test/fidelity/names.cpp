// The resolver, with names that need no network: numbers and localhost, which comes from a file.
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

namespace fidelity {

namespace {

constexpr int h_error_before = 99;

std::string answers_text(const addrinfo* first) {
  std::string text;
  for (const addrinfo* each = first; each != nullptr; each = each->ai_next) {
    std::array<char, INET6_ADDRSTRLEN> host{};
    unsigned port = 0;
    if (each->ai_family == AF_INET) {
      const auto* const name = reinterpret_cast<const sockaddr_in*>(each->ai_addr);
      ::inet_ntop(AF_INET, &name->sin_addr, host.data(), host.size());
      port = ntohs(name->sin_port);
    } else {
      const auto* const name = reinterpret_cast<const sockaddr_in6*>(each->ai_addr);
      ::inet_ntop(AF_INET6, &name->sin6_addr, host.data(), host.size());
      port = ntohs(name->sin6_port);
    }
    text += '[' + std::string(host.data()) + ' ' + std::to_string(port) + " type " + std::to_string(each->ai_socktype) +
            " protocol " + std::to_string(each->ai_protocol) + " size " + std::to_string(each->ai_addrlen) +
            (each->ai_canonname != nullptr ? std::string(" called ") + each->ai_canonname : "") + ']';
  }
  return text;
}

void ask(outcome& out, const char* what, const char* host, const char* service, int family, int type, int flags) {
  addrinfo hints{};
  hints.ai_family = family;
  hints.ai_socktype = type;
  hints.ai_flags = flags;
  addrinfo* answers = nullptr;
  // What errno is afterwards is not said, and depends on which files the resolver tried.
  const int status = ::getaddrinfo(host, service, &hints, &answers);
  out.note(what, status == 0 ? answers_text(answers) : ::gai_strerror(status));
  if (status == 0) {
    ::freeaddrinfo(answers);
  }
}

void addresses(outcome& out) {
  ask(out, "localhost", "localhost", "80", AF_INET, SOCK_STREAM, 0);
  ask(out, "every type", "localhost", "81", AF_INET, 0, 0);
  ask(out, "number", "127.0.0.1", "82", AF_UNSPEC, SOCK_DGRAM, AI_NUMERICHOST | AI_NUMERICSERV);
  ask(out, "number 6", "::1", "83", AF_UNSPEC, SOCK_STREAM, AI_NUMERICHOST);
  ask(out, "mapped", "127.0.0.1", nullptr, AF_INET6, SOCK_STREAM, AI_V4MAPPED | AI_NUMERICHOST);
  ask(out, "passive", nullptr, "84", AF_INET, SOCK_STREAM, AI_PASSIVE);
  ask(out, "active", nullptr, "85", AF_INET, SOCK_STREAM, 0);
  ask(out, "canonical", "127.0.0.1", nullptr, AF_INET, SOCK_STREAM, AI_CANONNAME | AI_NUMERICHOST);
}

void wrong_addresses(outcome& out) {
  ask(out, "nothing", nullptr, nullptr, AF_INET, SOCK_STREAM, 0);
  ask(out, "no number", "localhost", "80", AF_INET, SOCK_STREAM, AI_NUMERICHOST);
  ask(out, "no numeric service", "127.0.0.1", "none", AF_INET, SOCK_STREAM, AI_NUMERICSERV);
  ask(out, "no such service", "127.0.0.1", "no-such-service", AF_INET, SOCK_STREAM, AI_NUMERICHOST);
  ask(out, "wrong flags", "127.0.0.1", "80", AF_INET, SOCK_STREAM, 0x4000'0000);
  ask(out, "wrong family", "127.0.0.1", "80", 99, SOCK_STREAM, 0);
  ask(out, "wrong type", "127.0.0.1", "80", AF_INET, 99, 0);
  ask(out, "other family", "::1", "80", AF_INET, SOCK_STREAM, AI_NUMERICHOST);
}

void note_name(outcome& out, const char* what, const address& of, std::size_t host_room, int flags) {
  std::array<char, 100> host{};
  std::array<char, 100> service{};
  const int status = ::getnameinfo(of.get(), of.size, host.data(), static_cast<socklen_t>(host_room), service.data(),
                                   service.size(), flags);
  out.note(what, status == 0 ? std::string(host.data()) + ' ' + service.data() : ::gai_strerror(status));
}

void names(outcome& out) {
  address of = loopback(AF_INET);
  reinterpret_cast<sockaddr_in*>(&of.storage)->sin_port = htons(4321);
  note_name(out, "numbers", of, 100, NI_NUMERICHOST | NI_NUMERICSERV);
  note_name(out, "name", of, 100, NI_NUMERICSERV);
  note_name(out, "name required", of, 100, NI_NAMEREQD | NI_NUMERICSERV);
  note_name(out, "little room", of, 4, NI_NUMERICHOST | NI_NUMERICSERV);
  note_name(out, "wrong flags", of, 100, 0x4000'0000);
  note_name(out, "numbers 6", loopback(AF_INET6), 100, NI_NUMERICHOST | NI_NUMERICSERV);
  of.size = 3;
  note_name(out, "short", of, 100, NI_NUMERICHOST | NI_NUMERICSERV);
  of.storage.ss_family = 99;
  of.size = sizeof(sockaddr_in);
  note_name(out, "wrong family", of, 100, NI_NUMERICHOST | NI_NUMERICSERV);
}

std::string host_text(const hostent* host) {
  if (host == nullptr) {
    return "none";
  }
  std::string text = std::string(host->h_name) + " size " + std::to_string(host->h_length);
  for (char** each = host->h_addr_list; *each != nullptr; ++each) {
    std::array<char, INET6_ADDRSTRLEN> name{};
    ::inet_ntop(host->h_addrtype, *each, name.data(), name.size());
    text += std::string(" ") + name.data();
  }
  return text;
}

/// h_errno is a thread's own, and must be the caller's.
template <class F>
void note_host(outcome& out, const char* what, F&& asks) {
  h_errno = h_error_before;
  const hostent* const host = asks();
  const int error = h_errno;
  out.note(what, host_text(host));
  if (host == nullptr) {
    out.note("h_errno", std::to_string(error));
  }
}

void hosts(outcome& out) {
  const in_addr loop{htonl(INADDR_LOOPBACK)};
  note_host(out, "gethostbyname", [] { return ::gethostbyname("localhost"); });
  note_host(out, "number", [] { return ::gethostbyname("127.0.0.1"); });
  note_host(out, "gethostbyname2", [] { return ::gethostbyname2("localhost", AF_INET); });
  note_host(out, "number 6", [] { return ::gethostbyname2("::1", AF_INET6); });
  note_host(out, "wrong family", [] { return ::gethostbyname2("localhost", 99); });
  note_host(out, "gethostbyaddr", [&] { return ::gethostbyaddr(&loop, sizeof loop, AF_INET); });
  note_host(out, "short", [&] { return ::gethostbyaddr(&loop, 2, AF_INET); });
  note_host(out, "wrong family", [&] { return ::gethostbyaddr(&loop, sizeof loop, 99); });
}

struct reentrant {
  hostent host{};
  hostent* answer = reinterpret_cast<hostent*>(1);
  int error = h_error_before;
  std::array<char, 2000> room{};

  void note(outcome& out, const char* what, int status) const {
    out.note(what, status == 0 ? "0" : error_name(status)).note("answer", host_text(answer));
    out.note("error", std::to_string(error));
    out.note("in the room", answer == nullptr || (answer == &host && answer->h_name >= room.data() &&
                                                  answer->h_name < room.data() + room.size()));
  }
};

void reentrant_hosts(outcome& out) {
  const in_addr loop{htonl(INADDR_LOOPBACK)};
  const auto ask_one = [&](const char* what, auto&& asks) {
    reentrant it;
    const int status = asks(it);
    it.note(out, what, status);
  };
  ask_one("gethostbyname_r", [](reentrant& it) {
    return ::gethostbyname_r("localhost", &it.host, it.room.data(), it.room.size(), &it.answer, &it.error);
  });
  ask_one("little room", [](reentrant& it) {
    return ::gethostbyname_r("localhost", &it.host, it.room.data(), 8, &it.answer, &it.error);
  });
  ask_one("gethostbyname2_r", [](reentrant& it) {
    return ::gethostbyname2_r("localhost", AF_INET, &it.host, it.room.data(), it.room.size(), &it.answer, &it.error);
  });
  ask_one("gethostbyaddr_r", [&](reentrant& it) {
    return ::gethostbyaddr_r(&loop, sizeof loop, AF_INET, &it.host, it.room.data(), it.room.size(), &it.answer,
                             &it.error);
  });
  ask_one("little room", [&](reentrant& it) {
    return ::gethostbyaddr_r(&loop, sizeof loop, AF_INET, &it.host, it.room.data(), 8, &it.answer, &it.error);
  });
}

/// Resolving leaves the processor to others: the files are read elsewhere.
void leaves_the_processor(outcome& out) {
  bystander other;
  ask(out, "localhost", "localhost", "80", AF_INET, SOCK_STREAM, 0);
  other.check();
}

}  // namespace

void add_names(probe_list& list) {
  list.add("getaddrinfo", addresses);
  list.add("getaddrinfo, wrong arguments", wrong_addresses);
  list.add("getnameinfo", names);
  list.add("gethostbyname and gethostbyaddr", hosts);
  list.add("gethostbyname_r and gethostbyaddr_r", reentrant_hosts);
  list.add("getaddrinfo leaves the processor", leaves_the_processor);
}

}  // namespace fidelity
