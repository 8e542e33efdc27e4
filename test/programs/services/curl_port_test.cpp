// examples/callbacks/curl_*: libcurl against our own http_server.
#include "test/programs/services/port_test.h"
#include "test/support/plain_client.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

using csp_test::service;

namespace {

/// The HTTP server with a folder of pages.
class pages {
 public:
  pages() {
    char name[] = "/tmp/csp-pages-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    folder_ = name;
  }
  ~pages() {
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  pages(const pages&) = delete;
  pages& operator=(const pages&) = delete;

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << text;
  }
  void start() {
    server_ = std::make_unique<service>(std::vector<std::string>{csp_test::example_path("http_server"), "0", folder_});
  }
  void stop() const {
    server_->send(SIGTERM);
    CHECK(server_->end() == 0);
    CHECK(server_->errors() == "");
  }
  [[nodiscard]] std::string url(const std::string& path) const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + path;
  }

 private:
  std::string folder_;
  std::unique_ptr<service> server_;
};

std::string closed_port() {
  const csp_test::plain_listener gone;
  return std::to_string(gone.port());
}

}  // namespace

TEST_CASE("chains of pages, by callbacks and by channels") {
  if (!csp_test::is_built("curl_callbacks")) return;
  pages site;
  constexpr int chains = 20;
  constexpr int length = 10;
  for (int chain = 0; chain < chains; ++chain) {
    for (int page = 0; page < length; ++page) {
      const std::string next = "c" + std::to_string(chain) + "-" + std::to_string(page + 1);
      site.write("c" + std::to_string(chain) + "-" + std::to_string(page),
                 page + 1 < length ? "next: /" + next + "\n" + std::string(1000, 'x') : std::string(100'000, 'y'));
    }
  }
  site.write("loop", "next: /loop\n");
  site.write("broken", "next: /missing\n");
  site.start();
  const std::string nowhere = "http://127.0.0.1:" + closed_port() + "/";
  std::string urls = site.url("/loop") + " " + site.url("/broken") + " " + site.url("/missing") + " " + nowhere;
  std::string lines = site.url("/loop") + ": 50 pages, 600 bytes, cut\n" + site.url("/broken") +
                      ": HTTP response code said error after 1 pages\n" + site.url("/missing") +
                      ": HTTP response code said error after 0 pages\n" + nowhere +
                      ": Couldn't connect to server after 0 pages\n";
  for (int chain = 0; chain < chains; ++chain) {
    const std::string first = site.url("/c" + std::to_string(chain) + "-0");
    std::size_t bytes = 100'000;
    for (int page = 1; page < length; ++page) {
      bytes += 1000 + std::string("next: /c-\n").size() + std::to_string(chain).size() + std::to_string(page).size();
    }
    urls += " " + first;
    lines += first + ": 10 pages, " + std::to_string(bytes) + " bytes\n";
  }
  csp_test::check_port("curl", urls, lines, 0);
  csp_test::check_port("curl", "", "", 0);
  site.stop();
}

TEST_CASE("pieces of pages through a callback that waits") {
  if (!csp_test::is_built("curl_pieces")) return;
  pages site;
  constexpr int count = 20;
  std::string text;
  while (text.size() < 1'000'000) {
    text += std::string(text.size() % 97, 'z') + "\n";
  }
  const auto lines_in_text = std::count(text.begin(), text.end(), '\n');
  site.write("text", text);
  site.start();
  const std::string line = site.url("/text") + ": " + std::to_string(text.size()) + " bytes, " +
                           std::to_string(lines_in_text) + " lines, No error\n";
  std::string urls;
  std::string lines;
  for (int i = 0; i < count; ++i) {
    urls += " " + site.url("/text");
    lines += line;
  }
  urls += " " + site.url("/missing");
  lines += site.url("/missing") + ": 0 bytes, 0 lines, HTTP response code said error\n";
  for (const int processors : {1, 2, 4}) {
    CAPTURE(processors);
    const csp_test::finished done = csp_test::run_port("curl_pieces", urls, processors);
    CHECK(done.output == lines);
    CHECK(done.status == 0);
  }
  site.stop();
}
