// libcurl, as Debian ships it, against nginx, plain and by TLS: blocking calls in tasks answer, overlap, fail and time
// out as they do in threads.
#include "test/support/crew.h"
#include "test/support/servers/black_hole.h"
#include "test/support/servers/kinds.h"

#include <curl/curl.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>

using csp_test::carrier;
using csp_test::crew_report;
using csp_test::expectations;
using csp_test::gate;
using csp_test::nginx_file;
using csp_test::transport;
using namespace std::chrono_literals;

namespace {

/// curl_global_init is not thread-safe.
struct library {
  library() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  ~library() { curl_global_cleanup(); }
  library(const library&) = delete;
  library& operator=(const library&) = delete;
} const whole_program;

struct closer {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

/// One easy handle, which keeps its connection between requests.
class client {
 public:
  /// `url` is what requests' paths are put behind; `authority` is the file with the certificate to trust, or empty.
  client(std::string url, const std::string& authority) : url_(std::move(url)) {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROXY, "");  // whatever the environment says
    set(CURLOPT_TIMEOUT_MS, 30'000L);
    set(CURLOPT_WRITEFUNCTION, &receive);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_READFUNCTION, &give);
    set(CURLOPT_READDATA, this);
    if (!authority.empty()) {
      set(CURLOPT_CAINFO, authority.c_str());
    }
  }

  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(handle_.get(), option, value);
  }
  CURLcode get(const std::string& path) {
    body_.clear();
    set(CURLOPT_URL, (url_ + path).c_str());
    return curl_easy_perform(handle_.get());
  }
  CURLcode put(const std::string& path, const std::string& content) {
    to_send_ = content;
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(content.size()));
    const CURLcode outcome = get(path);
    set(CURLOPT_UPLOAD, 0L);
    set(CURLOPT_HTTPGET, 1L);
    return outcome;
  }
  [[nodiscard]] const std::string& body() const { return body_; }
  /// The status of the last answer; 0: there was none.
  [[nodiscard]] long status() const { return information(CURLINFO_RESPONSE_CODE); }
  [[nodiscard]] long new_connections() const { return information(CURLINFO_NUM_CONNECTS); }

  /// Called when a part of an answer has come.
  std::function<void()> on_part = [] {};

 private:
  [[nodiscard]] long information(CURLINFO what) const {
    long value = 0;
    curl_easy_getinfo(handle_.get(), what, &value);
    return value;
  }
  static std::size_t receive(const char* data, std::size_t one, std::size_t size, client* self) {
    self->body_.append(data, one * size);
    self->on_part();
    return one * size;
  }
  static std::size_t give(char* place, std::size_t one, std::size_t room, client* self) {
    const std::size_t size = std::min(one * room, self->to_send_.size());
    std::copy_n(self->to_send_.begin(), size, place);
    self->to_send_.erase(0, size);
    return size;
  }

  std::string url_;
  std::string body_;
  std::string to_send_;
  std::unique_ptr<CURL, closer> handle_{curl_easy_init()};
};

/// A client of nginx.
client client_of(const csp_test::server& to, transport by) {
  const bool tls = by == transport::tls;
  return {(tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(to.port()),
          tls ? to.folder() + "/certificate.pem" : ""};
}

void expect_file(expectations& expect, client& by, const std::string& path, const std::string& content) {
  const CURLcode outcome = by.get(path);
  expect(outcome == CURLE_OK, (path + ": " + curl_easy_strerror(outcome)).c_str());
  expect(by.status() == 200 && by.body() == content, (path + ": the content").c_str());
}

void other_requests(expectations& expect, client& by) {
  by.set(CURLOPT_RANGE, "100-199");
  expect(by.get("/files/1000") == CURLE_OK && by.status() == 206, "a range");
  expect(by.body() == nginx_file(1'000).substr(100, 100), "its content");
  by.set(CURLOPT_RANGE, nullptr);

  by.set(CURLOPT_NOBODY, 1L);
  expect(by.get("/files/1000") == CURLE_OK && by.status() == 200 && by.body().empty(), "only a head");
  by.set(CURLOPT_NOBODY, 0L);
  by.set(CURLOPT_HTTPGET, 1L);

  expect(by.get("/missing") == CURLE_OK && by.status() == 404, "nothing there");
  by.set(CURLOPT_FAILONERROR, 1L);
  expect(by.get("/missing") == CURLE_HTTP_RETURNED_ERROR, "an error of HTTP");
  by.set(CURLOPT_FAILONERROR, 0L);
}

void work(expectations& expect, client& by, std::size_t index) {
  for (int round = 0; round < 3; ++round) {
    for (const std::size_t size : csp_test::nginx_sizes) {
      expect_file(expect, by, "/files/" + std::to_string(size), nginx_file(size));
      expect(by.new_connections() == 0, "the connection is kept");
    }
  }
  other_requests(expect, by);
  const std::string path = "/kept/" + std::to_string(index);
  const std::string content = std::to_string(index) + nginx_file(100'000);
  expect(by.put(path, content) == CURLE_OK && (by.status() == 201 || by.status() == 204), "put");
  expect_file(expect, by, path, content);
  by.set(CURLOPT_FRESH_CONNECT, 1L);
  expect_file(expect, by, "/files/1", nginx_file(1));
  expect(by.new_connections() == 1, "a new connection");
}

void check_work(const csp_test::server& to, transport how, carrier by, std::size_t count) {
  CAPTURE(by.processors, count);
  expectations expect;
  gate connected(count);
  gate counted(1);
  csp_test::run_crew(
      expect, by, count,
      [&](std::size_t index) {
        client mine = client_of(to, how);
        expect_file(expect, mine, "/files/1", nginx_file(1));
        connected.pass();
        counted.wait();
        work(expect, mine, index);
      },
      [&] {
        connected.wait();
        client mine = client_of(to, how);
        expect(mine.get("/status") == CURLE_OK, "status");
        expect(mine.body().starts_with("Active connections: " + std::to_string(count + 1) + " "), mine.body().c_str());
        counted.come();
      });
  expect.verify();
}

void check_overlap(const csp_test::server& to, transport how, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 50, [&](std::size_t) {
    client mine = client_of(to, how);
    expect_file(expect, mine, "/slow", nginx_file(csp_test::nginx_slow_size));
  });
  expect.verify();
  csp_test::check_overlapped(report, 50, 200ms);
}

bool is_loss(CURLcode outcome) {
  for (const CURLcode loss : {CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR,
                              CURLE_COULDNT_CONNECT, CURLE_SSL_CONNECT_ERROR}) {
    if (outcome == loss) {
      return true;
    }
  }
  return false;
}

void check_killed(const csp_test::server& to, transport how, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  gate under_way(50);
  gate dead(1);
  csp_test::run_crew(
      expect, by, 50,
      [&](std::size_t index) {
        client mine = client_of(to, how);
        CURLcode outcome = CURLE_OK;
        if (index < 25) {
          mine.on_part = [&] {
            under_way.come();
            mine.on_part = [] {};
          };
          outcome = mine.get("/stuck");
        } else {
          for (int i = 0; outcome == CURLE_OK; ++i) {
            outcome = mine.get("/files/1000");
            if (i == 10) {
              under_way.come();
            }
          }
        }
        expect(is_loss(outcome), curl_easy_strerror(outcome));
        dead.wait();
        outcome = mine.get("/files/1");
        expect(outcome == CURLE_COULDNT_CONNECT, curl_easy_strerror(outcome));
      },
      [&] {
        under_way.wait();
        to.kill();
        dead.come();
      });
  expect.verify();
}

/// An answer that takes longer than the client waits.
void check_slow_answer(const csp_test::server& to, transport how, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t) {
    client mine = client_of(to, how);
    mine.set(CURLOPT_TIMEOUT_MS, 500L);
    const CURLcode outcome = mine.get("/stuck");
    expect(outcome == CURLE_OPERATION_TIMEDOUT, curl_easy_strerror(outcome));
    expect(!mine.body().empty(), "a part has come");
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 500ms);
}

void check_black_hole(const std::string& scheme, carrier by, csp_test::black_hole_kind kind) {
  const csp_test::black_hole hole(kind);
  CAPTURE(scheme, by.processors, static_cast<int>(kind));
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t) {
    client mine(scheme + "://127.0.0.1:" + std::to_string(hole.port()), "");
    mine.set(CURLOPT_TIMEOUT_MS, 500L);
    mine.set(CURLOPT_SSL_VERIFYPEER, 0L);  // else each client computes for long to read all authorities of the system
    const CURLcode outcome = mine.get("/");
    expect(outcome == CURLE_OPERATION_TIMEDOUT, curl_easy_strerror(outcome));
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 500ms);
}

void check_all_work(transport how) {
  if (const auto to = csp_test::start_nginx(how)) {
    for (const carrier by : csp_test::all_carriers) {
      check_work(*to, how, by, by.threads() ? 20 : 200);
    }
  }
}

void check_all_overlap(transport how) {
  if (const auto to = csp_test::start_nginx(how)) {
    for (const carrier by : csp_test::narrow_carriers) {
      check_overlap(*to, how, by);
      check_slow_answer(*to, how, by);
    }
  }
}

void check_all_killed(transport how) {
  for (const carrier by : csp_test::all_carriers) {
    if (const auto to = csp_test::start_nginx(how)) {
      check_killed(*to, how, by);
    }
  }
}

}  // namespace

TEST_CASE("curl: many clients at once, each answer exact") { check_all_work(transport::plain); }

TEST_CASE("curl: many clients at once by TLS, each answer exact") { check_all_work(transport::tls); }

TEST_CASE("curl: slow answers overlap") { check_all_overlap(transport::plain); }

TEST_CASE("curl: slow answers by TLS overlap") { check_all_overlap(transport::tls); }

TEST_CASE("curl: a server that is killed gives each client libcurl's own error") { check_all_killed(transport::plain); }

TEST_CASE("curl: a TLS server that is killed gives each client libcurl's own error") {
  check_all_killed(transport::tls);
}

TEST_CASE("curl: a black hole is left on time") {
  for (const carrier by : csp_test::narrow_carriers) {
    check_black_hole("http", by, csp_test::black_hole_kind::silent);
    check_black_hole("https", by, csp_test::black_hole_kind::silent);
    check_black_hole("http", by, csp_test::black_hole_kind::full);
  }
}
