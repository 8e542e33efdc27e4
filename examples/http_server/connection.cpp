#include "connection.h"

#include <chrono>
#include <system_error>
#include <utility>
#include <variant>

namespace http {

namespace {

using namespace std::chrono_literals;

// How long a client may stay without asking anything; browsers give up after about as long themselves.
constexpr auto idle_limit = 60s;
// For all of a request that has begun, so that a client cannot hold a connection by a byte now and then.
constexpr auto request_limit = 10s;
// For each piece that is sent.
constexpr auto write_limit = 30s;
// For the client to read why it was refused, see drop_what_comes().
constexpr auto farewell_limit = 2s;

// Answers are sent together until they are so large.
constexpr std::size_t flush_size = 16 * 1024;

}  // namespace

void connection::serve() {
  while (serve_one()) {
  }
  stream_.close();
}

// One request and its answer; false when the connection is over.
bool connection::serve_one() {
  request asked;
  if (!receive_head(asked) || !receive_body(asked)) {
    return false;
  }
  content answer = site_.respond(asked, input_.bytes().substr(0, asked.body_size));
  input_.take(asked.body_size);
  return send(asked, std::move(answer));
}

bool connection::receive_head(request& head) {
  bool begun = false;
  for (;;) {
    verdict found = parse_head(input_.bytes());
    if (found.status == 200) {
      input_.take(found.size);
      head = std::move(found.head);
      return true;
    }
    if (found.status != 0) {
      return refuse(found.status);
    }
    if (!begun && !input_.bytes().empty()) {
      stream_.set_read_deadline(request_limit);
      begun = true;
    }
    if (!receive_more()) {
      return false;
    }
  }
}

bool connection::receive_body(const request& head) {
  if (input_.bytes().size() >= head.body_size) {
    return true;
  }
  if (head.expects_continue) {
    out_ += "HTTP/1.1 100 Continue\r\n\r\n";
  }
  stream_.set_read_deadline(request_limit);
  while (input_.bytes().size() < head.body_size) {
    if (!receive_more()) {
      return false;
    }
  }
  return true;
}

// Sends what is ready, and waits for the client. Between two requests that is the place to leave when the server stops.
bool connection::receive_more() {
  const bool idle = input_.bytes().empty();
  if (!flush()) {
    return false;
  }
  if (idle) {
    stream_.set_read_deadline(idle_limit);
    if (!entry_.begin_idle()) {
      return false;
    }
  }
  const auto count = input_.receive();
  if (idle) {
    entry_.end_idle();
  } else if (count.error() == std::errc::timed_out) {
    return refuse(408);
  }
  return count && *count > 0;
}

// Says what was wrong; the connection is over then, since nobody knows where the next request begins.
bool connection::refuse(int status) {
  send({}, error_content(status));
  drop_what_comes();
  return false;
}

// Sends an answer, or keeps it for the next flush(). False when the connection is over.
bool connection::send(const request& asked, content what) {
  auto* const file = std::get_if<open_file>(&what.more);
  auto* const listener = std::get_if<chat_member>(&what.more);
  const bool keep_alive = asked.keep_alive && listener == nullptr && !entry_.stopping();
  heads_.append(out_,
                {.status = what.status,
                 .type = what.type,
                 .size = file != nullptr ? file->size : what.text.size(),
                 .endless = listener != nullptr,
                 .keep_alive = keep_alive,
                 .extra = what.extra},
                asked);
  if (asked.method != method::head) {
    out_ += what.text;
    if (file != nullptr && !send_rest(*file)) {
      return false;
    }
    if (listener != nullptr && flush()) {
      send_events(*listener);
    }
  }
  if (!keep_alive || out_.size() >= flush_size) {
    return flush() && keep_alive;
  }
  return true;
}

// What of a file did not fit into its first piece. A file that fails here leaves an answer that is too short: then only
// the end of the connection tells the client.
bool connection::send_rest(open_file& file) {
  while (file.position < file.size) {
    if (!flush() || !csp::blocking([&] { return file.read_some(out_); })) {
      return false;
    }
  }
  return true;
}

// Until the chat ends, the client leaves (or sends anything, which it has no reason to), or does not keep up.
void connection::send_events(chat_member& member) {
  const csp::receiver<chat_event> events = member.events();
  for (bool over = false; !over;) {
    csp::select(csp::on_recv(events,
                             [&](std::optional<chat_event> event) {
                               over = !event;
                               out_ += event ? **event : "";
                               over = !flush() || over;
                             }),
                csp::on_readable(stream_.native_handle(), [&] { over = true; }));
  }
}

bool connection::flush() {
  if (out_.empty()) {
    return true;
  }
  stream_.set_write_deadline(write_limit);
  const std::error_code error = stream_.write_all(out_);
  out_.clear();
  return !error;
}

// A close() while there is something to read resets the connection, and the client might never see what we sent last
// (RFC 9112, 9.6). So its rest is read for a while, or until it has closed.
void connection::drop_what_comes() {
  if (!flush()) {
    return;
  }
  stream_.shutdown(csp::net::direction::write);
  stream_.set_read_deadline(farewell_limit);
  for (auto count = input_.receive(); count && *count > 0; count = input_.receive()) {
    input_.take(input_.bytes().size());
  }
}

}  // namespace http
