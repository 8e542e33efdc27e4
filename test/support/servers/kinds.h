// The servers that tests of real clients talk to. Each function starts one and returns when it serves; when it is not
// installed, it prints `SKIPPED: ... is not installed` on stderr and returns nothing.
// \throws std::runtime_error when a server does not start; std::system_error
//
// Settings: at least 300 connections, small buffers, nothing is made durable, so that each starts within a second or
// two.
#pragma once

#include "test/support/servers/server.h"

#include <cstddef>
#include <memory>
#include <string>

namespace csp_test {

/// PostgreSQL on port() and on the unix socket that libpq finds in folder(). The superuser `csp` has the password
/// `secret`, asked for by SCRAM; database `postgres`.
std::unique_ptr<server> start_postgresql();

/// MariaDB on port() and on the unix socket folder()/socket. The user `csp` has the password `secret` and all rights;
/// database `test`.
std::unique_ptr<server> start_mariadb();

/// Redis on port() and on the unix socket folder()/socket.
std::unique_ptr<server> start_redis();

/// dnsmasq on port(), by udp and tcp. It knows hostN.test as 10.0.0.N and back, for each N below dnsmasq_hosts, and
/// nameless.test as 10.0.1.1, which leads nowhere; nothing else.
std::unique_ptr<server> start_dnsmasq();
inline constexpr int dnsmasq_hosts = 100;

enum class transport { plain, tls };

/// nginx on port(). With TLS it shows the certificate folder()/certificate.pem, its own authority, for 127.0.0.1.
/// Paths:
///
///   /files/N   nginx_file(N), for each N of nginx_sizes
///   /slow      nginx_file(nginx_slow_size), which takes about 0.2 s
///   /stuck     begins to answer at once; the rest comes by a byte a second
///   /kept/...  what was PUT there, at the most 10 MB
///   /status    a text with "Active connections: N", the asking one included
std::unique_ptr<server> start_nginx(transport by);

inline constexpr std::size_t nginx_sizes[] = {0, 1, 1'000, 20'000, 200'000};
inline constexpr std::size_t nginx_slow_size = 3'000;
/// `size` bytes without a short period.
std::string nginx_file(std::size_t size);

}  // namespace csp_test
