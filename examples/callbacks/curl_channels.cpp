// curl_channels: the job of curl_callbacks with tasks: following a chain of pages is a loop.
//
//   curl_channels URL...
//
// Teaches: the same bridge as ares_channels, for a library whose callbacks tell which sockets and timers to wait for.
// One task, the driver, owns libcurl; fetch() is a blocking call for all others.

#include <libcsp/csp.h>

#include <curl/curl.h>
#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

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

struct page {
  CURLcode outcome = CURLE_ABORTED_BY_CALLBACK;
  std::string body{};
};

struct request {
  std::string url;
  csp::callback<page> done;
};

// libcurl and its sockets. For one task.
class driver {
 public:
  driver() : multi_(::curl_multi_init()) {
    ::curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, on_socket);
    ::curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    ::curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, on_timer);
    ::curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  }
  ~driver() {
    while (!transfers_.empty()) {
      end(transfers_.begin()->first);  // who waits for it sees that its callback has gone
    }
    ::curl_multi_cleanup(multi_);
  }
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  // Until the channel of requests is closed.
  void run(csp::receiver<request> requests) {
    for (bool open = true; open;) {
      csp::select_list arms;
      arms.add(csp::on_recv(requests, [&](std::optional<request> next) {
        open = next.has_value();
        if (open) {
          start(std::move(*next));
        }
      }));
      for (const auto& [fd, what] : sockets_) {
        if ((what & CURL_POLL_IN) != 0) {
          arms.add(csp::on_readable(fd, [this, socket = fd] { process(socket, CURL_CSELECT_IN); }));
        }
        if ((what & CURL_POLL_OUT) != 0) {
          arms.add(csp::on_writable(fd, [this, socket = fd] { process(socket, CURL_CSELECT_OUT); }));
        }
      }
      if (deadline_) {
        arms.add(csp::on_timeout(*deadline_, [this] {
          deadline_.reset();
          process(CURL_SOCKET_TIMEOUT, 0);
        }));
      }
      arms.run();
    }
  }

 private:
  struct transfer {
    csp::callback<page> done;
    std::string body{};
  };

  void start(request what) {
    CURL* const easy = ::curl_easy_init();
    transfer& self = transfers_.emplace(easy, transfer{std::move(what.done)}).first->second;
    ::curl_easy_setopt(easy, CURLOPT_URL, what.url.c_str());
    ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
    ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
    ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &self);
    ::curl_multi_add_handle(multi_, easy);
  }

  void end(CURL* easy) {
    ::curl_multi_remove_handle(multi_, easy);
    ::curl_easy_cleanup(easy);
    transfers_.erase(easy);
  }

  void process(curl_socket_t fd, int events) {
    int left = 0;
    ::curl_multi_socket_action(multi_, fd, events, &left);
    while (const CURLMsg* const message = ::curl_multi_info_read(multi_, &left)) {
      CURL* const easy = message->easy_handle;
      transfer& self = transfers_.at(easy);
      static_cast<void>(self.done(page{message->data.result, std::move(self.body)}));  // the bridge
      end(easy);
    }
  }

  // No exception may leave what libcurl calls.
  static std::size_t on_data(char* data, std::size_t, std::size_t size, void* context) noexcept {
    static_cast<transfer*>(context)->body.append(data, size);
    return size;
  }

  // Which sockets libcurl waits for.
  static int on_socket(CURL*, curl_socket_t fd, int what, void* context, void*) noexcept {
    auto& self = *static_cast<driver*>(context);
    if (what == CURL_POLL_REMOVE) {
      self.sockets_.erase(fd);
    } else {
      self.sockets_[fd] = what;
    }
    return 0;
  }

  // When libcurl wants to be called even if no socket is ready.
  static int on_timer(CURLM*, long milliseconds, void* context) noexcept {
    auto& self = *static_cast<driver*>(context);
    self.deadline_.reset();
    if (milliseconds >= 0) {
      self.deadline_ = csp::clock::now() + std::chrono::milliseconds(milliseconds);
    }
    return 0;
  }

  CURLM* multi_;
  std::map<CURL*, transfer> transfers_;
  std::map<curl_socket_t, int> sockets_;
  std::optional<csp::clock::time_point> deadline_;
};

// A blocking call for any task.
page fetch(const csp::sender<request>& requests, const std::string& url) {
  const csp::one_shot<page> reply;
  requests.send({url, reply.callback()});
  return reply.wait().value_or(page());
}

// All that there is to do for one chain, from top to bottom.
std::string follow(const csp::sender<request>& requests, const std::string& first_url) {
  std::string url = first_url;
  std::size_t bytes = 0;
  for (std::size_t pages = 0;;) {
    const page found = fetch(requests, url);
    if (found.outcome != CURLE_OK) {
      return fmt::format("{}: {} after {} pages", first_url, ::curl_easy_strerror(found.outcome), pages);
    }
    ++pages;
    bytes += found.body.size();
    const std::optional<std::string> next = next_url(url, found.body);
    if (!next || pages == most_pages) {
      return fmt::format("{}: {} pages, {} bytes{}", first_url, pages, bytes, next ? ", cut" : "");
    }
    url = *next;
  }
}

void run(const std::vector<std::string>& urls) {
  const csp::chan<request> requests;
  csp::join_handle<void> driving = csp::spawn({.name = "libcurl"}, [=] {
    try {
      driver().run(requests);
    } catch (...) {
      requests.close();  // who asks is told, not left waiting
      throw;
    }
  });
  std::vector<csp::join_handle<std::string>> lines;
  for (const std::string& url : urls) {
    lines.push_back(csp::spawn([=] { return follow(requests, url); }));
  }
  for (csp::join_handle<std::string>& line : lines) {
    fmt::print("{}\n", line.join());
  }
  requests.close();
  driving.join();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    ::curl_global_init(CURL_GLOBAL_DEFAULT);
    csp::run([&] { run({argv + 1, argv + argc}); });
    ::curl_global_cleanup();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
