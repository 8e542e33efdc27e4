// The parser of the HTTP server: what it takes, what it refuses and with which status. Rules by RFC 9112 and RFC 9110.
#include "examples/http_server/request.h"

#include "test/support/catch.h"

#include <string>
#include <string_view>
#include <vector>

using http::method;
using http::parse_head;

namespace {

/// A GET of `target` with these lines and no more.
std::string head(std::string_view lines) { return "GET / HTTP/1.1\r\n" + std::string(lines) + "\r\n"; }

int status_of(std::string_view text) { return parse_head(text).status; }

}  // namespace

TEST_CASE("a plain request is taken apart") {
  const std::string text = "POST /a%20b?c=%zz HTTP/1.1\r\nHost: x\r\ncontent-LENGTH: 12\r\nX-Other:\t a b \r\n\r\nrest";
  const http::verdict found = parse_head(text);
  REQUIRE(found.status == 200);
  CHECK(found.size == text.size() - 4);
  CHECK(found.head.method == method::post);
  CHECK(found.head.path == "/a b");
  CHECK(found.head.body_size == 12);
  CHECK(found.head.keep_alive);
  CHECK_FALSE(found.head.is_http_1_0);
  CHECK_FALSE(found.head.expects_continue);
}

TEST_CASE("every part of a head is no head yet") {
  const std::string text = "\r\nHEAD /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  for (std::size_t size = 0; size < text.size(); ++size) {
    CAPTURE(size);
    CHECK(status_of(std::string_view(text).substr(0, size)) == 0);
  }
  CHECK(status_of(text) == 200);
  CHECK(parse_head(text).size == text.size());
}

TEST_CASE("the connection goes on as version and headers say") {
  const auto keeps = [](std::string_view version, std::string_view header) {
    const http::verdict found =
        parse_head("GET / HTTP/" + std::string(version) + "\r\nHost: x\r\n" + std::string(header) + "\r\n");
    REQUIRE(found.status == 200);
    return found.head.keep_alive;
  };
  CHECK(keeps("1.1", ""));
  CHECK(keeps("1.1", "Connection: keep-alive\r\n"));
  CHECK_FALSE(keeps("1.1", "Connection: Close\r\n"));
  CHECK_FALSE(keeps("1.1", "Connection: upgrade , close\r\n"));
  CHECK_FALSE(keeps("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
  CHECK_FALSE(keeps("1.0", ""));
  CHECK(keeps("1.0", "Connection: keep-alive\r\n"));
}

TEST_CASE("targets") {
  const auto path_of = [](std::string_view target) {
    const http::verdict found = parse_head("GET " + std::string(target) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    return found.status == 200 ? found.head.path : std::to_string(found.status);
  };
  CHECK(path_of("/") == "/");
  CHECK(path_of("/a/b.txt?x#y") == "/a/b.txt");
  CHECK(path_of("/%41%2f..") == "/A/..");
  CHECK(path_of("http://host:1/p?q") == "/p");
  CHECK(path_of("HTTP://host") == "/");
  for (const char* bad : {"*", "a", "/%", "/%4", "/%4x", "/a%00b", "?", "http:/x", "/a\tb", "/a\rb", "ftp://h/"}) {
    CAPTURE(bad);
    CHECK(path_of(bad) == "400");
  }
}

TEST_CASE("methods") {
  const auto method_of = [](std::string_view name) {
    return parse_head(std::string(name) + " / HTTP/1.1\r\nHost: x\r\n\r\n").head.method;
  };
  CHECK(method_of("GET") == method::get);
  CHECK(method_of("HEAD") == method::head);
  CHECK(method_of("POST") == method::post);
  CHECK(method_of("get") == method::other);
  CHECK(method_of("DELETE") == method::other);
}

TEST_CASE("what is refused, and how") {
  struct row {
    std::string text;
    int status;
  };
  const std::vector<row> rows{
      {"GET / HTTP/1.1\r\n\r\n", 400},  // no Host
      {head("Host: a\r\nHost: a\r\n"), 400},
      {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
      {" GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /\r\nHost: x\r\n\r\n", 400},
      {"G\"T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/11\r\nHost: x\r\n\r\n", 400},
      {"GET / http/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"GET / HTTP/1.1\nHost: x\n\n", 400},
      {"\n", 400},
      {head("Host: x\r\nno colon\r\n"), 400},
      {head("Host: x\r\nspace : y\r\n"), 400},
      {head("Host: x\r\n: y\r\n"), 400},
      {head("Host: x\r\nX: y\r\n folded\r\n"), 400},
      {head("Host: x\r\nX: a\nb\r\n"), 400},
      {head("Host: x\r\nX: a\rb\r\n"), 400},
      {head(std::string("Host: x\r\nX: a\0b\r\n", 17)), 400},
      {head("Host: x\r\nContent-Length: -1\r\n"), 400},
      {head("Host: x\r\nContent-Length: +1\r\n"), 400},
      {head("Host: x\r\nContent-Length: 1 1\r\n"), 400},
      {head("Host: x\r\nContent-Length:\r\n"), 400},
      {head("Host: x\r\nContent-Length: 0x1\r\n"), 400},
      {head("Host: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n"), 400},
      {head("Host: x\r\nContent-Length: 4097\r\n"), 413},
      {head("Host: x\r\nContent-Length: 99999999999999999999999\r\n"), 413},
      {head("Host: x\r\nTransfer-Encoding: chunked\r\n"), 411},
      {head("Host: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n"), 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {head("Host: x\r\nExpect: else\r\n"), 417},
      {"GET /" + std::string(http::longest_head, 'a'), 414},
      {"GET /" + std::string(http::longest_head, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", 414},
      {"GET / HTTP/1.1\r\nHost: " + std::string(http::longest_head, 'a'), 431},
      {head("Host: x\r\nX: " + std::string(http::longest_head, 'a') + "\r\n"), 431},
  };
  for (const row& each : rows) {
    CAPTURE(each.text.substr(0, 80));
    CHECK(status_of(each.text) == each.status);
  }
}

TEST_CASE("the largest that is taken") {
  const std::string empty = head("Host: x\r\nX: \r\n");
  const std::string largest = head("Host: x\r\nX: " + std::string(http::longest_head - empty.size(), 'a') + "\r\n");
  REQUIRE(largest.size() == http::longest_head);
  CHECK(status_of(largest) == 200);
  CHECK(status_of(largest + "GET / HTTP/1.1\r\n") == 200);
  CHECK(status_of(head("Host: x\r\nContent-Length: 4096\r\nContent-Length: 4096\r\n")) == 200);
  CHECK(parse_head(head("Host: x\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n")).head.expects_continue);
}
