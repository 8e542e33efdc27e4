#include "response.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

namespace http {

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 417:
      return "Expectation Failed";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Unknown";
  }
}

std::string_view head_writer::date() {
  if (const std::time_t now = std::time(nullptr); now != second_) {
    second_ = now;
    std::tm parts{};
    ::gmtime_r(&now, &parts);
    // As RFC 9110, 5.6.7, has it; strftime's names of days are those of the C locale unless a program asks for another.
    std::array<char, 40> text{};
    date_.assign(text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts));
  }
  return date_;
}

void head_writer::append(std::string& out, const answer& what, const request& to) {
  const auto end = std::back_inserter(out);
  fmt::format_to(end, "HTTP/1.1 {} {}\r\nDate: {}\r\n", what.status, reason(what.status), date());
  if (what.status != 204) {
    fmt::format_to(end, "Content-Type: {}\r\n", what.type);
    if (!what.endless) {
      fmt::format_to(end, "Content-Length: {}\r\n", what.size);
    }
  }
  if (!what.keep_alive) {
    out += "Connection: close\r\n";
  } else if (to.is_http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  out += what.extra;
  out += "\r\n";
}

}  // namespace http
