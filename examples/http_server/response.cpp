#include "response.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

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

namespace {

// Not fmt::format_to: an answer's head is half of what a short answer costs us.
void append_number(std::string& out, std::uint64_t value) {
  std::array<char, std::numeric_limits<std::uint64_t>::digits10 + 1> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  out.append(digits.data(), end);
}

}  // namespace

void head_writer::append(std::string& out, const answer& what, const request& to) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(what.status));
  out += ' ';
  out += reason(what.status);
  out += "\r\nDate: ";
  out += date();
  out += "\r\n";
  if (what.status != 204) {
    out += "Content-Type: ";
    out += what.type;
    out += "\r\n";
    if (!what.endless) {
      out += "Content-Length: ";
      append_number(out, what.size);
      out += "\r\n";
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
