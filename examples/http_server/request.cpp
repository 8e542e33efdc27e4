// The grammar is that of RFC 9112, sections 2 to 6, and RFC 9110, section 5; each check names what it follows.

#include "request.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace http {

namespace {

constexpr int complete = 200;
constexpr int bad_request = 400;
constexpr int length_required = 411;
constexpr int body_too_large = 413;
constexpr int target_too_long = 414;
constexpr int expectation_failed = 417;
constexpr int head_too_large = 431;
constexpr int version_not_supported = 505;

constexpr std::string_view line_end = "\r\n";

// What the headers tell, as far as this server needs it.
struct headers_seen {
  int hosts = 0;
  bool close = false;
  bool keep_alive = false;
  bool coded = false;  // Transfer-Encoding: the body is not `length` plain bytes
  std::optional<std::size_t> length;
  bool expects_continue = false;
};

// A character of a name or method (RFC 9110, 5.6.2).
bool is_token(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return is_token(c); });
}

// A control character other than the tab: in none of the parts that are kept, so no header can hide in another.
bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; }

// What no target has (RFC 3986, 2).
bool is_blank_or_control(char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same(std::string_view text, std::string_view lower_case) {
  return std::ranges::equal(text, lower_case, {}, [](char c) { return lower(c); });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view()
                                         : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes what is before `separator`, and the separator, off the text; all of it when there is none.
std::string_view take_until(std::string_view& text, std::string_view separator) {
  const auto at = text.find(separator);
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + separator.size());
  return taken;
}

int hex_digit(char c) {
  c = lower(c);
  return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The path with its %XX decoded (RFC 3986, 2.1); nothing when it is wrong, or hides a zero byte.
std::optional<std::string> decoded(std::string_view path) {
  std::string result;
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%') {
      const int high = i + 2 < path.size() ? hex_digit(path[i + 1]) : -1;
      const int low = i + 2 < path.size() ? hex_digit(path[i + 2]) : -1;
      if (high < 0 || low < 0) {
        return std::nullopt;
      }
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') {
      return std::nullopt;
    }
    result += c;
  }
  return result;
}

method method_named(std::string_view name) {
  return name == "GET" ? method::get : name == "HEAD" ? method::head : name == "POST" ? method::post : method::other;
}

// `method SP target SP HTTP/1.x` (RFC 9112, 3).
int parse_request_line(std::string_view line, request& into) {
  const std::string_view name = take_until(line, " ");
  std::string_view target = take_until(line, " ");
  if (!is_token(name) || target.empty() || std::ranges::any_of(target, is_blank_or_control)) {
    return bad_request;
  }
  if (line.size() != 8 || !line.starts_with("HTTP/") || line[6] != '.') {
    return bad_request;
  }
  if (line[5] != '1') {
    return version_not_supported;
  }
  into.is_http_1_0 = line[7] == '0';
  into.method = method_named(name);
  // The form for proxies must be understood too (3.2.2).
  if (constexpr std::string_view scheme = "http://"; same(target.substr(0, scheme.size()), scheme)) {
    target.remove_prefix(std::min(target.find_first_of("/?", scheme.size()), target.size()));
    target = target.empty() ? "/" : target;
  }
  std::optional<std::string> path = decoded(target.substr(0, target.find('?')));
  if (!path || !path->starts_with('/')) {
    return bad_request;
  }
  into.path = std::move(*path);
  return complete;
}

// A list of connection options (RFC 9110, 7.6.1).
void note_connection(std::string_view list, headers_seen& seen) {
  while (!list.empty()) {
    const std::string_view option = trimmed(take_until(list, ","));
    seen.close = seen.close || same(option, "close");
    seen.keep_alive = seen.keep_alive || same(option, "keep-alive");
  }
}

// Digits and nothing else; given twice, they must say the same (RFC 9112, 6.3).
int note_length(std::string_view value, headers_seen& seen) {
  std::size_t length = 0;
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, length);
  if (error == std::errc::result_out_of_range) {
    return body_too_large;
  }
  if (error != std::errc() || stop != end || (seen.length && *seen.length != length)) {
    return bad_request;
  }
  seen.length = length;
  return complete;
}

// `name: value` (RFC 9112, 5). A line that begins with a space continued the one before in old times; refused (5.2).
int parse_header(std::string_view line, headers_seen& seen) {
  const auto colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_token(name)) {
    return bad_request;
  }
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (std::ranges::any_of(value, is_control)) {
    return bad_request;
  }
  if (same(name, "host")) {
    ++seen.hosts;
  } else if (same(name, "connection")) {
    note_connection(value, seen);
  } else if (same(name, "content-length")) {
    return note_length(value, seen);
  } else if (same(name, "transfer-encoding")) {
    seen.coded = true;
  } else if (same(name, "expect")) {
    if (!same(value, "100-continue")) {
      return expectation_failed;
    }
    seen.expects_continue = true;
  }
  return complete;
}

// What the headers together mean for the request.
int judge(const headers_seen& seen, request& into) {
  if (seen.hosts > 1 || (seen.hosts == 0 && !into.is_http_1_0)) {
    return bad_request;  // RFC 9112, 3.2
  }
  if (seen.coded) {
    // Both together are how requests are smuggled (6.1); alone, we may ask for a length instead (6.3).
    return seen.length || into.is_http_1_0 ? bad_request : length_required;
  }
  into.body_size = seen.length.value_or(0);
  if (into.body_size > longest_body) {
    return body_too_large;
  }
  into.keep_alive = !seen.close && (!into.is_http_1_0 || seen.keep_alive);  // RFC 9112, 9.3
  into.expects_continue = seen.expects_continue && into.body_size > 0 && !into.is_http_1_0;
  return complete;
}

int parse_lines(std::string_view lines, request& into) {
  int status = parse_request_line(take_until(lines, line_end), into);
  headers_seen seen;
  while (status == complete && !lines.empty()) {
    status = parse_header(take_until(lines, line_end), seen);
  }
  return status == complete ? judge(seen, into) : status;
}

// Old clients may end lines so; we refuse it at once instead of waiting for an end that will not come.
bool has_bare_line_feed(std::string_view text) {
  for (auto at = text.find('\n'); at != std::string_view::npos; at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') {
      return true;
    }
  }
  return false;
}

}  // namespace

verdict parse_head(std::string_view received) {
  verdict result;
  std::string_view text = received;
  while (text.starts_with(line_end)) {
    text.remove_prefix(line_end.size());  // some clients send one after a body (RFC 9112, 2.2)
  }
  const auto skipped = received.size() - text.size();
  const auto end = text.find("\r\n\r\n");
  if (end == std::string_view::npos || skipped + end + 4 > longest_head) {
    if (has_bare_line_feed(text.substr(0, longest_head))) {
      result.status = bad_request;
    } else if (received.size() >= longest_head) {
      result.status = text.find(line_end) < longest_head ? head_too_large : target_too_long;
    }
    return result;
  }
  result.size = skipped + end + 4;
  result.status = parse_lines(text.substr(0, end), result.head);
  return result;
}

}  // namespace http
