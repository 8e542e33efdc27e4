// examples/fetcher against servers that count, hold back, cut off and never answer.
#include "test/support/plain_client.h"
#include "test/support/service.h"
#include "test/support/topologies.h"

#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using csp_test::finished;
using csp_test::plain_client;
using csp_test::plain_listener;
using csp_test::service;
using namespace std::chrono_literals;

namespace {

finished fetch(const std::string& arguments) {
  return csp_test::run_to_end(csp_test::example_path("fetcher") + " " + arguments);
}

std::string url(int port, const std::string& path) { return "http://127.0.0.1:" + std::to_string(port) + path; }

/// Answers `count` requests on threads of its own, but always `group` of them together: nobody is answered before
/// `group` wait.
class holding_server {
 public:
  holding_server(int count, int group) : group_(group) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this] { serve(); });
    }
  }
  ~holding_server() { finish(); }
  holding_server(const holding_server&) = delete;
  holding_server& operator=(const holding_server&) = delete;

  void finish() {
    for (std::thread& thread : threads_) {
      thread.join();
    }
    threads_.clear();
  }
  [[nodiscard]] int port() const { return listener_.port(); }
  [[nodiscard]] int most_at_once() const { return most_; }

 private:
  void serve() {
    const plain_client client = listener_.accept();
    static_cast<void>(client.receive_until("\r\n\r\n"));
    {
      std::unique_lock lock(lock_);
      most_ = std::max(most_, ++at_once_);
      if (++held_ == group_) {
        held_ = 0;
        ++round_;
        changed_.notify_all();
      } else {
        changed_.wait_for(lock, 30s, [this, round = round_] { return round_ != round; });
      }
      --at_once_;
    }
    client.send("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na");
  }

  const plain_listener listener_;
  const int group_;
  std::mutex lock_;
  std::condition_variable changed_;
  int at_once_ = 0;
  int most_ = 0;
  int held_ = 0;
  int round_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("pages are fetched and listed in order") {
  service server({csp_test::example_path("http_server"), "0"});
  std::string urls;
  std::string lines;
  for (int i = 0; i < 30; ++i) {
    const bool there = i % 2 == 0;
    const std::string each = url(server.port(), there ? "/?" + std::to_string(i) : "/none" + std::to_string(i));
    urls += " " + each;
    // FNV-1a of "hello, world\n" and of "404 Not Found\n".
    lines += (there ? "200 13 e60e7ee648829675 " : "404 14 77e2bde824243810 ") + each + "\n";
  }
  const finished done = fetch("8 30" + urls);
  CHECK(done.output == lines);
  CHECK(done.status == 0);
  server.send(SIGTERM);
  CHECK(server.end() == 0);
}

TEST_CASE("as many at once as asked for, and no more") {
  holding_server server(20, 4);
  std::string urls;
  for (int i = 0; i < 20; ++i) {
    urls += " " + url(server.port(), "/");
  }
  const finished done = fetch("4 25" + urls);
  server.finish();
  CHECK(done.status == 0);
  CHECK(server.most_at_once() == 4);
}

TEST_CASE("the deadline ends what never answers; what was fetched before counts") {
  service server({csp_test::example_path("http_server"), "0"});
  const plain_listener silent;
  const std::string good = url(server.port(), "/");
  const std::string stuck = url(silent.port(), "/");
  const auto begin = std::chrono::steady_clock::now();
  const finished done = fetch("2 1 " + good + " " + stuck + " " + stuck + " " + stuck + " " + good);
  CHECK(std::chrono::steady_clock::now() - begin < 15s);
  CHECK(done.output == "200 13 e60e7ee648829675 " + good + "\n" + "failed " + stuck + ": Connection timed out\n" +
                           "failed " + stuck + ": Connection timed out\n" + "failed " + stuck +
                           ": Connection timed out\n" + "failed " + good + ": Connection timed out\n");
  CHECK((WIFEXITED(done.status) && WEXITSTATUS(done.status) == 1));
  server.send(SIGTERM);
  CHECK(server.end() == 0);
}

TEST_CASE("each failure is told and the others go on") {
  service server({csp_test::example_path("http_server"), "0"});
  int port = 0;
  {
    const plain_listener gone;
    port = gone.port();
  }
  const plain_listener cutting;
  std::thread cutter([&] {
    const plain_client client = cutting.accept();
    static_cast<void>(client.receive_until("\r\n\r\n"));
    client.send("HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\n12345");
  });
  const plain_listener babbling;
  std::thread babbler([&] {
    const plain_client client = babbling.accept();
    static_cast<void>(client.receive_until("\r\n\r\n"));
    client.send("what?");
  });
  const std::string good = url(server.port(), "/");
  const finished done =
      fetch("3 20 " + url(port, "/") + " " + url(cutting.port(), "/x") + " " + url(babbling.port(), "") + " " + good);
  cutter.join();
  babbler.join();
  CHECK(done.output == "failed " + url(port, "/") + ": Connection refused\n" + "failed " + url(cutting.port(), "/x") +
                           ": the answer is cut off\n" + "failed " + url(babbling.port(), "") +
                           ": not an HTTP answer\n" + "200 13 e60e7ee648829675 " + good + "\n");
  server.send(SIGTERM);
  CHECK(server.end() == 0);
}

TEST_CASE("bad command lines") {
  for (const std::string arguments : {"", "1 1", "x 1 http://a", "1 1 ftp://a"}) {
    CAPTURE(arguments);
    const finished done = fetch(arguments);
    CHECK((WIFEXITED(done.status) && WEXITSTATUS(done.status) == 2));
  }
}
