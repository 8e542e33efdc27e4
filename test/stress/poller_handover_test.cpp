// Whoever asks the poller without sleeping, the monitor above all, must not be the reason that nobody sleeps in it when
// the last processor goes idle at that moment.
#include "test/support/topologies.h"

#include <libcsp/net.h>

#include <chrono>
#include <thread>

using namespace std::chrono_literals;

namespace {

/// Computes without a switch for about so long, so that the monitor asks the poller.
void compute(std::chrono::nanoseconds length) {
  const auto end = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < end) {
  }
}

}  // namespace

TEST_CASE("what comes after a processor has gone idle beside a look of the monitor is never left") {
  const int rounds = static_cast<int>(csp_test::scaled(400));
  for (const unsigned processors : {1U, 2U}) {
    csp::options wanted;
    wanted.processors = processors;
    csp_test::expectations expect;
    csp::run(wanted, [&] {
      auto [here, there] = csp::net::pair().value();
      std::thread writer([&other = there, rounds] {
        char byte = 0;
        for (int i = 0; i < rounds; ++i) {
          // An answer for each byte: the writer is a plain thread and blocks in poll(2) or in the poller.
          if (other.read(&byte, 1).value() != 1) return;
          if (other.write(&byte, 1).value() != 1) return;
        }
      });
      here.set_read_deadline(std::chrono::steady_clock::now() + 100s);
      char byte = 'x';
      for (int i = 0; i < rounds; ++i) {
        expect(here.write(&byte, 1).value() == 1, "sent");
        compute(1ms + std::chrono::microseconds(7 * (i % 100)));
        const auto got = here.read(&byte, 1);
        expect(got && *got == 1, "answered");
        if (!got) break;
      }
      here.close();
      writer.join();
    });
    expect.verify();
  }
}
