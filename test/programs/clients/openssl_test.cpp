// Blocking OpenSSL, as Debian ships it, against nginx: calls in tasks answer, overlap, fail and time out as they do in
// threads.
#include "test/programs/clients/tls_client.h"
#include "test/support/crew.h"
#include "test/support/servers/black_hole.h"
#include "test/support/servers/kinds.h"

#include <openssl/sslerr.h>

#include <cerrno>
#include <string>

using csp_test::carrier;
using csp_test::crew_report;
using csp_test::expectations;
using csp_test::gate;
using csp_test::nginx_file;
using csp_test::server;
using csp_test::tls_client;
using csp_test::tls_context;
using csp_test::tls_entry;
using namespace std::chrono_literals;

namespace {

tls_context trusting(const server& to) { return csp_test::make_context(to.folder() + "/certificate.pem"); }

/// Even clients let OpenSSL make the socket, odd ones bring their own.
tls_entry entry_of(std::size_t index) { return index % 2 == 0 ? tls_entry::bio_connect : tls_entry::own_socket; }

void expect_file(expectations& expect, tls_client& by, const std::string& path, const std::string& content) {
  expect(by.get(path), by.error_text().c_str());
  expect(by.status() == 200 && by.body() == content, (path + ": the content").c_str());
}

void check_work(const server& to, carrier by, std::size_t count) {
  CAPTURE(by.processors, count);
  const tls_context context = trusting(to);
  expectations expect;
  gate connected(count);
  gate counted(1);
  csp_test::run_crew(
      expect, by, count,
      [&](std::size_t index) {
        tls_client mine(*context, to.port(), entry_of(index));
        expect(mine.connected(), mine.error_text().c_str());
        connected.pass();
        counted.wait();
        for (int round = 0; round < 4; ++round) {
          for (const std::size_t size : csp_test::nginx_sizes) {
            expect_file(expect, mine, "/files/" + std::to_string(size), nginx_file(size));
          }
        }
        expect(mine.get("/missing") && mine.status() == 404, "nothing there");
      },
      [&] {
        connected.wait();
        tls_client mine(*context, to.port(), tls_entry::own_socket);
        expect(mine.get("/status"), mine.error_text().c_str());
        expect(mine.body().starts_with("Active connections: " + std::to_string(count + 1) + " "), mine.body().c_str());
        counted.come();
      });
  expect.verify();
}

void check_overlap(const server& to, carrier by) {
  CAPTURE(by.processors);
  const tls_context context = trusting(to);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 50, [&](std::size_t index) {
    tls_client mine(*context, to.port(), entry_of(index));
    expect_file(expect, mine, "/slow", nginx_file(csp_test::nginx_slow_size));
  });
  expect.verify();
  csp_test::check_overlapped(report, 50, 200ms);
}

/// The ways in which OpenSSL tells that the other side has gone without a word.
bool is_loss(const tls_client& by) {
  if (by.error() == SSL_ERROR_SSL) {
    return ERR_GET_REASON(by.error_code()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  }
  return by.error() == SSL_ERROR_SYSCALL && (by.error_number() == ECONNRESET || by.error_number() == EPIPE);
}

void check_refused(const server& to, SSL_CTX& context, expectations& expect, std::size_t index) {
  const tls_client again(context, to.port(), entry_of(index));
  expect(!again.connected(), "a new connection is refused");
  if (entry_of(index) == tls_entry::bio_connect) {
    expect(ERR_GET_LIB(again.error_code()) == ERR_LIB_SYS && ERR_GET_REASON(again.error_code()) == ECONNREFUSED,
           again.error_text().c_str());
  } else {
    expect(again.error_number() == ECONNREFUSED, again.error_text().c_str());
  }
}

void check_killed(const server& to, carrier by) {
  CAPTURE(by.processors);
  const tls_context context = trusting(to);
  expectations expect;
  gate under_way(50);
  gate dead(1);
  csp_test::run_crew(
      expect, by, 50,
      [&](std::size_t index) {
        tls_client mine(*context, to.port(), entry_of(index));
        if (index < 25) {
          expect(mine.ask("/stuck"), mine.error_text().c_str());
          under_way.come();
          expect(!mine.read_body(), "the answer ends early");
        } else {
          for (int i = 0; mine.get("/files/1000"); ++i) {
            if (i == 10) {
              under_way.come();
            }
          }
        }
        expect(is_loss(mine), mine.error_text().c_str());
        dead.wait();
        check_refused(to, *context, expect, index);
      },
      [&] {
        under_way.wait();
        to.kill();
        dead.come();
      });
  expect.verify();
}

/// A client that waits for what the server never sends, and no longer than its socket's limit: OpenSSL says that it
/// wants to read, as on non-blocking sockets.
void check_read_limit(const server& to, carrier by) {
  CAPTURE(by.processors);
  const tls_context context = trusting(to);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t) {
    const tls_client mine(*context, to.port(), tls_entry::own_socket, 500);
    expect(mine.connected(), mine.error_text().c_str());
    char byte = 0;
    ERR_clear_error();
    const int result = SSL_read(&mine.ssl(), &byte, 1);
    expect(result == -1 && SSL_get_error(&mine.ssl(), result) == SSL_ERROR_WANT_READ, "the time is over");
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 500ms);
}

void check_black_hole(carrier by, csp_test::black_hole_kind kind) {
  const csp_test::black_hole hole(kind);
  CAPTURE(by.processors, static_cast<int>(kind));
  const tls_context context = csp_test::make_context("");
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t) {
    const tls_client mine(*context, hole.port(), tls_entry::own_socket, 500);
    const bool told = kind == csp_test::black_hole_kind::silent ? mine.error() == SSL_ERROR_WANT_READ
                                                                : mine.error_number() == EINPROGRESS;
    expect(!mine.connected() && told, mine.error_text().c_str());
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 500ms);
}

}  // namespace

TEST_CASE("openssl: many clients at once, each answer exact") {
  if (const auto to = csp_test::start_nginx(csp_test::transport::tls)) {
    for (const carrier by : csp_test::all_carriers) {
      check_work(*to, by, by.threads() ? 20 : 200);
    }
  }
}

TEST_CASE("openssl: slow answers overlap") {
  if (const auto to = csp_test::start_nginx(csp_test::transport::tls)) {
    for (const carrier by : csp_test::narrow_carriers) {
      check_overlap(*to, by);
      check_read_limit(*to, by);
    }
  }
}

TEST_CASE("openssl: a server that is killed gives each client OpenSSL's own error") {
  for (const carrier by : csp_test::all_carriers) {
    if (const auto to = csp_test::start_nginx(csp_test::transport::tls)) {
      check_killed(*to, by);
    }
  }
}

TEST_CASE("openssl: a black hole is left on time") {
  for (const carrier by : csp_test::narrow_carriers) {
    check_black_hole(by, csp_test::black_hole_kind::silent);
    check_black_hole(by, csp_test::black_hole_kind::full);
  }
}
