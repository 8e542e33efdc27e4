// Sockets for tasks: tcp and unix streams, listeners, udp, name look-up. While an operation waits, its task waits and
// the processor goes on with others. Needs no hooks.
//
//   auto server = csp::net::listener::bind("127.0.0.1", 8080).value();
//   while (auto connection = server.accept()) {
//     csp::go([stream = std::move(*connection)]() mutable {
//       char buffer[4096];
//       while (auto count = stream.read(buffer, sizeof buffer)) {
//         if (*count == 0 || stream.write_all(buffer, *count)) break;
//       }
//     });
//   }
//
// Everything works from plain threads too: they wait in the running scheduler's poller, or in poll(2) when there is
// none. Regular files are always ready, so waiting is no help for them: read them by csp::blocking.
#pragma once

#include <libcsp/net_address.h>
#include <libcsp/net_listener.h>
#include <libcsp/net_result.h>
#include <libcsp/net_socket.h>
#include <libcsp/net_stream.h>
#include <libcsp/net_udp.h>
