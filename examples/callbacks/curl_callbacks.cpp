// curl_callbacks: follows chains of pages by libcurl's multi interface in the way that it asks for: callbacks for
// sockets, timers and data, and a loop around poll(2).
//
//   curl_callbacks URL...
//
// A page may begin with a line "next: URL-OR-PATH"; then that page is fetched too, and so on. Prints for each chain, in
// the order in which they were given, how many pages and bytes it had, or why it ended early. All chains are followed
// at once. Its twin, curl_channels, does the same job with tasks.

#include <curl/curl.h>
#include <fmt/format.h>
#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t most_pages = 50;

// Where a page leads; relative to its own URL.
std::optional<std::string> next_url(const std::string& url, std::string_view body) {
  constexpr std::string_view mark = "next: ";
  if (!body.starts_with(mark)) {
    return std::nullopt;
  }
  const std::string target(body.substr(mark.size(), body.find('\n') - mark.size()));
  return target.starts_with('/') ? url.substr(0, url.find('/', url.find("//") + 2)) + target : target;
}

// One chain on its way. What would be a function's variables lives here, from one callback to the next.
struct chain {
  std::string first_url;
  std::string url;
  std::string body;
  std::size_t pages = 0;
  std::size_t bytes = 0;
  std::string line{};  // what is printed in the end
};

class job {
 public:
  explicit job(const std::vector<std::string>& urls) : multi_(::curl_multi_init()) {
    ::curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
    ::curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    ::curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
    ::curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    for (const std::string& url : urls) {
      start_page(chains_.emplace_back(chain{url, url, ""}));
    }
  }
  ~job() { ::curl_multi_cleanup(multi_); }
  job(const job&) = delete;
  job& operator=(const job&) = delete;

  void run() {
    while (under_way_ > 0) {
      wait_and_process();
      finish_pages();
    }
    for (const chain& each : chains_) {
      fmt::print("{}\n", each.line);
    }
  }

 private:
  void start_page(chain& self) {
    CURL* const easy = ::curl_easy_init();
    self.body.clear();
    ::curl_easy_setopt(easy, CURLOPT_URL, self.url.c_str());
    ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    ::curl_easy_setopt(easy, CURLOPT_PRIVATE, &self);
    ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &self);
    ::curl_multi_add_handle(multi_, easy);
    ++under_way_;
  }

  static std::size_t on_data(char* data, std::size_t, std::size_t size, void* context) {
    static_cast<chain*>(context)->body.append(data, size);
    return size;
  }

  // Which sockets libcurl waits for.
  static int on_socket(CURL*, curl_socket_t fd, int what, void* context, void*) {
    auto& self = *static_cast<job*>(context);
    if (what == CURL_POLL_REMOVE) {
      self.sockets_.erase(fd);
    } else {
      self.sockets_[fd] = what;
    }
    return 0;
  }

  // When libcurl wants to be called even if no socket is ready.
  static int on_timer(CURLM*, long milliseconds, void* context) {
    auto& self = *static_cast<job*>(context);
    self.deadline_.reset();
    if (milliseconds >= 0) {
      self.deadline_ = clock::now() + std::chrono::milliseconds(milliseconds);
    }
    return 0;
  }

  void wait_and_process() {
    std::vector<pollfd> subjects;
    for (const auto& [fd, what] : sockets_) {
      const int events = ((what & CURL_POLL_IN) != 0 ? POLLIN : 0) | ((what & CURL_POLL_OUT) != 0 ? POLLOUT : 0);
      subjects.push_back({fd, static_cast<short>(events), 0});
    }
    int limit = -1;
    if (deadline_) {
      const auto rest = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - clock::now()).count();
      limit = rest > 0 ? static_cast<int>(rest) : 0;
    }
    ::poll(subjects.data(), subjects.size(), limit);
    int running = 0;
    for (const pollfd& each : subjects) {
      if (each.revents != 0) {
        const int events = ((each.revents & POLLIN) != 0 ? CURL_CSELECT_IN : 0) |
                           ((each.revents & POLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                           ((each.revents & (POLLERR | POLLHUP)) != 0 ? CURL_CSELECT_ERR : 0);
        ::curl_multi_socket_action(multi_, each.fd, events, &running);
      }
    }
    if (deadline_ && clock::now() >= *deadline_) {
      deadline_.reset();
      ::curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    }
  }

  // What libcurl has brought to an end: the next step of each chain.
  void finish_pages() {
    int left = 0;
    while (const CURLMsg* const message = ::curl_multi_info_read(multi_, &left)) {
      CURL* const easy = message->easy_handle;
      const CURLcode outcome = message->data.result;
      chain* self = nullptr;
      ::curl_easy_getinfo(easy, CURLINFO_PRIVATE, &self);
      ::curl_multi_remove_handle(multi_, easy);
      ::curl_easy_cleanup(easy);
      --under_way_;
      finish_page(*self, outcome);
    }
  }

  void finish_page(chain& self, CURLcode outcome) {
    if (outcome != CURLE_OK) {
      self.line = fmt::format("{}: {} after {} pages", self.first_url, ::curl_easy_strerror(outcome), self.pages);
      return;
    }
    ++self.pages;
    self.bytes += self.body.size();
    const std::optional<std::string> next = next_url(self.url, self.body);
    if (next && self.pages < most_pages) {
      self.url = *next;
      start_page(self);
      return;
    }
    self.line = fmt::format("{}: {} pages, {} bytes{}", self.first_url, self.pages, self.bytes, next ? ", cut" : "");
  }

  CURLM* multi_;
  std::deque<chain> chains_;  // they stay where they are
  int under_way_ = 0;
  std::map<curl_socket_t, int> sockets_;
  std::optional<clock::time_point> deadline_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    ::curl_global_init(CURL_GLOBAL_DEFAULT);
    job({argv + 1, argv + argc}).run();
    ::curl_global_cleanup();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
