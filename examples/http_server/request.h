// The head of an HTTP/1.1 request (RFC 9112), parsed without any input or output: text in, a verdict out.
//
// Strict: a request that two programs could read in two ways is refused (RFC 9112, section 11.2, on smuggling).

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace http {

// Longer heads are refused with 431, or 414 when it is the first line that is too long. What browsers send is below 2
// KiB.
inline constexpr std::size_t longest_head = 8 * 1024;

// Longer bodies are refused with 413: the only bodies that this server takes are lines of a chat.
inline constexpr std::size_t longest_body = 4 * 1024;

enum class method { get, head, post, other };

struct request {
  http::method method = method::other;
  std::string path;               // decoded, without the query; begins with '/'
  std::size_t body_size = 0;      // bytes that follow the head
  bool keep_alive = false;        // the connection may serve another request after this one
  bool is_http_1_0 = false;       // keep_alive must be confirmed then
  bool expects_continue = false;  // the client waits for "100 Continue" before it sends the body
};

struct verdict {
  // 200: `head` is there. 0: it has not come to its end yet. Else: the status to refuse the request with; where it ends
  // is not known then, so the connection cannot be used any more.
  int status = 0;
  std::size_t size = 0;  // how much of the text the head was, with the empty line at its end
  request head;
};

// Parses the beginning of what has been received.
verdict parse_head(std::string_view received);

}  // namespace http
