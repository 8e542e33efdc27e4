// The pool of threads below hooked calls: its threads come and go, and no processor waits for one to go.
#include <libcsp/csp.h>

#include "test/support/catch.h"

#include <netdb.h>

#include <atomic>
#include <chrono>

using namespace std::chrono_literals;

namespace {

bool resolves() {
  addrinfo* found = nullptr;
  const bool done = ::getaddrinfo("127.0.0.1", "80", nullptr, &found) == 0;
  if (done) {
    ::freeaddrinfo(found);
  }
  return done;
}

}  // namespace

TEST_CASE("hooks: a call after the pool's threads have ended finds new ones") {
  csp::options one;
  one.processors = 1;
  one.spares = 0;
  std::atomic<int> calls{0};
  csp::run(one, [&] {
    constexpr auto longer_than_they_live = 5'200ms;
    calls += resolves() ? 1 : 0;
    csp::sleep_for(longer_than_they_live);
    // pthread_join is hooked, too, and itself a call for the pool.
    csp::wait_group all;
    for (int i = 0; i < 10; ++i) {
      all.go([&] { calls += resolves() ? 1 : 0; });
    }
    all.wait();
  });
  CHECK(calls == 11);
}
