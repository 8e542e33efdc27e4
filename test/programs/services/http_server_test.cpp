// examples/http_server as a process: exact answers, pipelining, refusals, files, limits and its end.
#include "test/support/plain_client.h"
#include "test/support/service.h"
#include "test/support/topologies.h"

#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using csp_test::plain_client;
using csp_test::service;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<service> start(int processors = 2, const std::string& folder = "") {
  std::vector<std::string> command{csp_test::example_path("http_server"), "0"};
  if (!folder.empty()) {
    command.push_back(folder);
  }
  return std::make_unique<service>(command, service::environment{{"CSP_PROCESSORS", std::to_string(processors)}});
}

void stop(service& server, int signal = SIGTERM) {
  server.send(signal);
  CHECK(server.end() == 0);
  CHECK(server.errors() == "");
}

/// The date is the only part of an answer that is not known; it must look like one.
std::string without_dates(std::string text) {
  constexpr std::string_view name = "\r\nDate: ";
  constexpr std::size_t length = std::string_view("Sun, 06 Nov 1994 08:49:37 GMT").size();
  for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at + 2)) {
    const std::string date = text.substr(at + name.size(), length);
    CHECK((date.size() == length && date[3] == ',' && date.ends_with(" GMT")));
    CHECK(text.substr(at + name.size() + length, 2) == "\r\n");
    text.erase(at, name.size() + length);
  }
  return text;
}

std::string ask(int port, std::string_view request) {
  const plain_client client(port);
  client.send(request);
  client.finish();
  return without_dates(client.receive_all());
}

std::string get(std::string_view path, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\n" + std::string(more) + "\r\n";
}

std::string plain_answer(std::string_view status, std::string_view body, std::string_view more = "") {
  return "HTTP/1.1 " + std::string(status) +
         "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" +
         std::string(more) + "\r\n" + std::string(body);
}

const std::string hello = plain_answer("200 OK", "hello, world\n");
const std::string not_found = plain_answer("404 Not Found", "404 Not Found\n");

/// A folder that goes with its contents.
class temporary_folder {
 public:
  temporary_folder() {
    char name[] = "/tmp/csp-http-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~temporary_folder() { std::filesystem::remove_all(path); }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  void write(const std::string& name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(path + "/" + name).parent_path());
    std::ofstream(path + "/" + name, std::ios::binary) << text;
  }

  std::string path;
};

}  // namespace

TEST_CASE("answers, byte for byte") {
  for (const int processors : {1, 2, 4}) {
    CAPTURE(processors);
    const auto server = start(processors);
    const int port = server->port();
    CHECK(ask(port, get("/")) == hello);
    CHECK(ask(port, get("/?a=b")) == hello);
    CHECK(ask(port, get("/none")) == not_found);
    CHECK(ask(port, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n") == hello.substr(0, hello.size() - 13));
    CHECK(ask(port, get("/", "Connection: close\r\n")) ==
          plain_answer("200 OK", "hello, world\n", "Connection: close\r\n"));
    CHECK(ask(port, "GET / HTTP/1.0\r\n\r\n") == plain_answer("200 OK", "hello, world\n", "Connection: close\r\n"));
    CHECK(ask(port, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") ==
          plain_answer("200 OK", "hello, world\n", "Connection: keep-alive\r\n"));
    CHECK(ask(port, "DELETE / HTTP/1.1\r\nHost: x\r\n\r\n") ==
          plain_answer("501 Not Implemented", "501 Not Implemented\n"));
    CHECK(ask(port, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi") ==
          plain_answer("405 Method Not Allowed", "405 Method Not Allowed\n", "Allow: GET, HEAD\r\n"));
    CHECK(ask(port, "") == "");
    stop(*server);
  }
}

TEST_CASE("pipelined requests are answered in order, however they are cut") {
  const auto server = start();
  std::string requests;
  std::string answers;
  for (int i = 0; i < 200; ++i) {
    requests += i % 3 == 0 ? get("/none") : get("/");
    answers += i % 3 == 0 ? not_found : hello;
  }
  CHECK(ask(server->port(), requests) == answers);

  for (const std::size_t size : {1U, 7U, 100U, 4096U}) {
    CAPTURE(size);
    const plain_client client(server->port());
    // A thread of its own, so that no amount of answers can stop the requests.
    std::thread sender([&] {
      for (std::size_t at = 0; at < requests.size(); at += size) {
        client.send(std::string_view(requests).substr(at, size));
      }
      client.finish();
    });
    CHECK(without_dates(client.receive_all()) == answers);
    sender.join();
  }
  stop(*server);
}

TEST_CASE("a connection is kept and each answer comes before the next request") {
  const auto server = start();
  const plain_client client(server->port());
  for (int i = 0; i < 50; ++i) {
    client.send(get("/"));
    const std::string head = client.receive_until("\r\n\r\n");
    CHECK(without_dates(head + client.receive(13)) == hello);
  }
  client.send("POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  CHECK(client.receive_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hello");
  CHECK(without_dates(client.receive_until("\r\n\r\n")) == "HTTP/1.1 204 No Content\r\n\r\n");
  stop(*server);
}

TEST_CASE("a refused request is answered in full and ends the connection") {
  const auto server = start();
  struct row {
    std::string request;
    std::string status;
  };
  const std::string huge(1'000'000, 'a');
  const std::vector<row> rows{
      {"nonsense\r\n\r\n", "400 Bad Request"},
      {"GET / HTTP/1.1\r\n\r\n" + get("/"), "400 Bad Request"},
      {"GET / HTTP/1.1\nHost: x\n\n", "400 Bad Request"},
      {"GET / HTTP/3.0\r\nHost: x\r\n\r\n", "505 HTTP Version Not Supported"},
      {get("/", "X: " + huge + "\r\n"), "431 Request Header Fields Too Large"},
      {get("/" + huge), "414 URI Too Long"},
      {"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + huge, "413 Content Too Large"},
      {"POST /chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
       "411 Length Required"},
  };
  for (const row& each : rows) {
    CAPTURE(each.status);
    // The good request before it is answered too; nothing behind it is.
    const plain_client client(server->port());
    static_cast<void>(client.try_send(get("/") + each.request));
    client.finish();
    CHECK(without_dates(client.receive_all()) ==
          hello + plain_answer(each.status, each.status + "\n", "Connection: close\r\n"));
  }
  CHECK(ask(server->port(), get("/")) == hello);
  stop(*server);
}

TEST_CASE("who does not finish a request is told so in time, byte by byte or not at all") {
  const auto server = start();
  const plain_client silent(server->port());
  silent.send("GET / HT");
  const plain_client dribbling(server->port());
  const auto begin = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begin < 25s && !dribbling.readable_within(200ms)) {
    static_cast<void>(dribbling.try_send("\r\n"));  // an empty line before a request is no offence, but a beginning
  }
  CHECK(std::chrono::steady_clock::now() - begin < 20s);  // 10 s and what a busy machine adds
  const std::string answer = plain_answer("408 Request Timeout", "408 Request Timeout\n", "Connection: close\r\n");
  CHECK(without_dates(silent.receive_all()) == answer);
  CHECK(without_dates(dribbling.receive_all()) == answer);
  stop(*server);
}

TEST_CASE("files") {
  const temporary_folder folder;
  const temporary_folder elsewhere;
  const std::vector<std::size_t> sizes{0, 1, 1000, 65'536, 65'537, 3'000'000};
  const auto text_of = [](std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
      text[i] = static_cast<char>(i * 31 + i / 251);
    }
    return text;
  };
  for (const std::size_t size : sizes) {
    folder.write("f" + std::to_string(size), text_of(size));
  }
  folder.write("index.html", "<p>index");
  folder.write("sub/a b.txt", "a b");
  folder.write(".secret", "secret");
  elsewhere.write("secret", "secret");
  std::filesystem::create_symlink(elsewhere.path + "/secret", folder.path + "/out");
  std::filesystem::create_symlink("sub/a b.txt", folder.path + "/in");

  const auto server = start(2, folder.path);
  const int port = server->port();
  const auto file = [](std::string_view type, std::string_view body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: " + std::string(type) +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
  };
  std::string all_requests;
  std::string all_answers;
  for (const std::size_t size : sizes) {
    CAPTURE(size);
    const std::string path = "/f" + std::to_string(size);
    const std::string answer = file("application/octet-stream", text_of(size));
    CHECK((ask(port, get(path)) == answer));
    CHECK(ask(port, "HEAD " + path + " HTTP/1.1\r\nHost: x\r\n\r\n") == answer.substr(0, answer.size() - size));
    all_requests += get(path);
    all_answers += answer;
  }
  CHECK((ask(port, all_requests + all_requests) == all_answers + all_answers));
  CHECK(ask(port, get("/")) == file("text/html; charset=utf-8", "<p>index"));
  CHECK(ask(port, get("/sub/a%20b.txt")) == file("text/plain; charset=utf-8", "a b"));
  CHECK(ask(port, get("/in")) == file("application/octet-stream", "a b"));
  for (const char* path : {"/sub", "/sub/", "/none", "/f0/", "/.secret", "/sub/../f1", "/../f1", "/%2e%2e/f1",
                           "/sub/%2e%2e%2f.secret", "//f1"}) {
    CAPTURE(path);
    CHECK(ask(port, get(path)).starts_with("HTTP/1.1 40"));
  }
  CHECK(ask(port, get("/out")) == plain_answer("403 Forbidden", "403 Forbidden\n"));
  CHECK(ask(port, get("//" + elsewhere.path + "/secret")).starts_with("HTTP/1.1 40"));
  stop(*server);
}

TEST_CASE("a stop lets requests under way finish and ends idle connections at once") {
  for (const int signal : {SIGTERM, SIGINT}) {
    CAPTURE(signal);
    const auto server = start();
    const plain_client idle(server->port());
    const plain_client used(server->port());
    used.send(get("/"));
    static_cast<void>(used.receive_until("world\n"));
    const plain_client busy(server->port());
    // In one piece, so that the server has begun with the second request when the first is answered.
    busy.send(get("/") + "GET / HTTP/1.1\r\n");
    static_cast<void>(busy.receive_until("world\n"));
    const plain_client listening(server->port());
    listening.send(get("/chat/events"));
    static_cast<void>(listening.receive_until("\r\n\r\n"));

    server->send(signal);
    CHECK(idle.receive_all() == "");
    CHECK(used.receive_all() == "");
    CHECK(listening.receive_all() == "");
    CHECK(csp_test::refuses_connections(server->port()));
    busy.send("Host: x\r\n\r\n");
    CHECK(without_dates(busy.receive_all()) == plain_answer("200 OK", "hello, world\n", "Connection: close\r\n"));
    CHECK(server->end() == 0);
    CHECK(server->errors() == "");
  }
}

TEST_CASE("bad command lines") {
  for (const std::string arguments : {"", "x", "70000", "0 /nonexistent", "1 2 3"}) {
    CAPTURE(arguments);
    const int status = std::system((csp_test::example_path("http_server") + " " + arguments + " 2>/dev/null").c_str());
    CHECK((WIFEXITED(status) && (WEXITSTATUS(status) == 2 || WEXITSTATUS(status) == 1)));
  }
}

TEST_CASE("curl, when it is installed") {
  if (std::system("command -v curl >/dev/null") != 0) {
    std::fprintf(stderr, "SKIPPED: curl is not installed\n");
    return;
  }
  const temporary_folder folder;
  folder.write("index.html", "index\n");
  folder.write("big", std::string(1'000'000, 'b'));
  const auto server = start(4, folder.path);
  const std::string url = "http://127.0.0.1:" + std::to_string(server->port());
  const auto run = [&](const std::string& arguments) {
    return std::system(
        ("cd " + folder.path + " && exec 2>errors && curl --silent --show-error --fail " + arguments).c_str());
  };
  CHECK(run(url + "/ " + url + "/ > out && printf 'index\\nindex\\n' | cmp - out") == 0);
  CHECK(run(url + "/big | cmp - big") == 0);
  CHECK(run("--parallel --parallel-max 20 -o 'got#1' " + url +
            "/big?[1-40] && for n in $(seq 40); do cmp big got$n || "
            "exit 1; done") == 0);
  CHECK(run("--http1.0 --head " + url + "/big | grep -q '^Content-Length: 1000000'") == 0);
  CHECK(run("--data-binary @index.html " + url + "/chat") == 0);
  stop(*server);
}
