// Answers as text: status line, headers and small bodies (RFC 9110, RFC 9112).

#pragma once

#include "request.h"

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>

namespace http {

struct answer {
  int status = 200;
  std::string_view type = "text/plain; charset=utf-8";
  std::size_t size = 0;  // of the body; an endless one ends with the connection
  bool endless = false;
  bool keep_alive = false;      // whether the connection goes on after this answer
  std::string_view extra = {};  // complete header lines
};

// Writes the heads of answers. One for each connection: it keeps the text of the date for as long as a second lasts.
class head_writer {
 public:
  // Appends the head of `what`, the answer to `to`, with the empty line that ends it.
  void append(std::string& out, const answer& what, const request& to);

 private:
  std::string_view date();

  std::time_t second_ = -1;
  std::string date_;
};

// "Not Found" for 404, and so on.
std::string_view reason(int status);

}  // namespace http
