// Accepts connections, gives each a task, and ends them all in good order.

#pragma once

#include "open_connections.h"
#include "site.h"

#include <libcsp/csp.h>

#include <chrono>

namespace http {

class server {
 public:
  // Both outlive the server.
  server(csp::net::listener& listener, const site& what) : listener_(listener), site_(what) {}

  // Serves until stop(); the answer is why, when it was anything else.
  std::error_code serve();

  // Takes no more connections, ends those that wait for a request, and lets the others finish; those that have not
  // after `limit` are cut off. Returns when all have ended. From another task than serve().
  void stop(std::chrono::milliseconds limit);

 private:
  void start(csp::net::stream stream);

  csp::net::listener& listener_;
  const site& site_;
  open_connections connections_;
  csp::wait_group at_work_;
};

}  // namespace http
