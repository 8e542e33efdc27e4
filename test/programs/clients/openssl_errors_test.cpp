// OpenSSL's error queue belongs to the thread, and tasks share threads. Handshakes that fail are mixed with connections
// that are fine, on one processor: does anybody see the errors of others, or lose its own?
#include "test/programs/clients/tls_client.h"
#include "test/support/crew.h"
#include "test/support/servers/kinds.h"

#include <openssl/sslerr.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>

using csp_test::carrier;
using csp_test::expectations;
using csp_test::server;
using csp_test::tls_client;
using csp_test::tls_context;
using csp_test::tls_entry;

namespace {

/// How a client treats the error queue.
enum class manners {
  careful,   ///< empties it before each call, and asks right after a call that failed
  careless,  ///< waits for something else before it asks, or does not ask at all: right where a thread is its own
};

/// Something that blocks between a failure and the look at it, such as a line for a log.
void do_something_else(manners of) {
  if (of == manners::careless) {
    ::usleep(2'000);
  }
}

struct mixing {
  std::atomic<int> lost{0};     ///< failures whose reason had gone
  std::atomic<int> foreign{0};  ///< calls that were told an error that was not theirs
};

/// A socket to the server, for OpenSSL's calls without more around them. `read_limit_ms` is of each read; 0: none.
struct raw_client {
  raw_client(SSL_CTX& context, int port, int read_limit_ms)
      : fd(csp_test::connect_socket(port, 0, connected)), ssl(SSL_new(&context)) {
    const timeval limit{0, read_limit_ms * 1'000};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    SSL_set_fd(ssl, fd);
  }
  ~raw_client() {
    SSL_free(ssl);
    ::close(fd);
  }
  raw_client(const raw_client&) = delete;
  raw_client& operator=(const raw_client&) = delete;

  bool connected = false;
  int fd;
  SSL* ssl;
};

/// A handshake with a server that this client does not trust.
void fail_handshake(SSL_CTX& strict, int port, manners of, expectations& expect, mixing& counts) {
  if (of == manners::careful) {
    ERR_clear_error();
  }
  const raw_client mine(strict, port, 0);
  expect(mine.connected, "connected");
  expect(SSL_connect(mine.ssl) != 1, "not trusted");
  do_something_else(of);
  const unsigned long code = csp_test::take_error();
  if (ERR_GET_REASON(code) != SSL_R_CERTIFICATE_VERIFY_FAILED) {
    counts.lost.fetch_add(1);
  }
}

/// Reads that come back without data, because none was asked for, are no failures.
void read_nothing(SSL_CTX& trusting, int port, manners of, expectations& expect, mixing& counts) {
  if (of == manners::careful) {
    ERR_clear_error();
  }
  const raw_client mine(trusting, port, 5);
  expect(mine.connected, "connected");
  int result = 0;
  do {
    result = SSL_connect(mine.ssl);  // five milliseconds may be too short for all of it
  } while (result != 1 && SSL_get_error(mine.ssl, result) == SSL_ERROR_WANT_READ);
  if (result != 1) {
    counts.foreign.fetch_add(1);
  }
  for (int i = 0; i < 10; ++i) {
    if (of == manners::careful) {
      ERR_clear_error();
    }
    char byte = 0;
    result = SSL_read(mine.ssl, &byte, 1);
    expect(result == -1, "nothing to read");
    if (SSL_get_error(mine.ssl, result) != SSL_ERROR_WANT_READ) {
      counts.foreign.fetch_add(1);
    }
  }
}

void check_queue(const server& to, carrier by, manners failing, manners reading, mixing& counts) {
  const tls_context strict = csp_test::make_context("");
  const tls_context trusting = csp_test::make_context(to.folder() + "/certificate.pem");
  expectations expect;
  csp_test::run_crew(expect, by, 20, [&](std::size_t index) {
    for (int round = 0; round < 10; ++round) {
      if (index % 2 == 0) {
        fail_handshake(*strict, to.port(), failing, expect, counts);
      } else {
        read_nothing(*trusting, to.port(), reading, expect, counts);
      }
    }
  });
  expect.verify();
}

}  // namespace

TEST_CASE("openssl: error queues of clients that look at once do not mix") {
  if (const auto to = csp_test::start_nginx(csp_test::transport::tls)) {
    for (const carrier by : csp_test::all_carriers) {
      CAPTURE(by.processors);
      mixing counts;
      check_queue(*to, by, manners::careful, manners::careful, counts);
      CHECK(counts.lost == 0);
      CHECK(counts.foreign == 0);
    }
  }
}

// In tasks these may mix, which docs/limitations.md says: a call that blocks lies between the emptied queue and the
// look at it, so it takes one careless client on the thread to confuse a careful one. How often they do is only told.
TEST_CASE("openssl: error queues of clients that look later mix in tasks alone") {
  if (const auto to = csp_test::start_nginx(csp_test::transport::tls)) {
    for (const manners reading : {manners::careful, manners::careless}) {
      for (const carrier by : csp_test::all_carriers) {
        CAPTURE(by.processors);
        mixing counts;
        check_queue(*to, by, manners::careless, reading, counts);
        std::fprintf(stderr,
                     "%u processors, careless failures, %s reads: %d of 100 failures lost, %d of 1100 reads wrong\n",
                     by.processors, reading == manners::careful ? "careful" : "careless", counts.lost.load(),
                     counts.foreign.load());
        if (by.threads()) {
          CHECK(counts.lost == 0);
          CHECK(counts.foreign == 0);
        }
      }
    }
  }
}
