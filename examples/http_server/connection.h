// One connection of a client: requests are read and answered one after the other, as straight code.
//
// Pipelined requests (RFC 9112, 9.3.2) need nothing special: what has been received is answered before anything else is
// waited for, and the answers leave together when it comes to that.

#pragma once

#include "input.h"
#include "open_connections.h"
#include "request.h"
#include "response.h"
#include "site.h"

#include <libcsp/csp.h>

#include <string>

namespace http {

class connection {
 public:
  connection(csp::net::stream stream, open_connections& all, const site& what)
      : stream_(std::move(stream)), input_(stream_), entry_(all, stream_), site_(what) {}

  // Serves until either side has enough. For the connection's own task.
  void serve();

 private:
  bool serve_one();
  bool receive_head(request& head);
  bool receive_body(const request& head);
  bool receive_more();
  bool refuse(int status);

  bool send(const request& asked, content what);
  bool send_rest(open_file& file);
  void send_events(chat_member& member);
  bool flush();
  void drop_what_comes();

  csp::net::stream stream_;
  input input_;
  open_connections::entry entry_;
  const site& site_;
  head_writer heads_;
  std::string out_;  // answers that have not been sent yet
};

}  // namespace http
