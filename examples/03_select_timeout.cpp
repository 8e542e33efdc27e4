// 03: select: wait for whichever comes first.
//
// Teaches: csp::select with receive, timeout and otherwise arms; that the index of the arm that ran
// is the result; and nil channels, which are never ready, to switch an arm off.

#include <libcsp/csp.h>

#include <fmt/core.h>

#include <chrono>
#include <optional>
#include <string>

using namespace std::chrono_literals;

namespace {

// Sends first, first + 2, ... below ten, then closes the channel.
csp::receiver<int> every_second(int first) {
  csp::chan<int> out;
  csp::go([=] {
    for (int n = first; n < 10; n += 2) {
      out.send(n);
    }
    out.close();
  });
  return out;
}

}  // namespace

int main() {
  csp::run([] {
    csp::chan<std::string> answers;
    csp::chan<void> permission;
    csp::go([=] {
      if (!permission.recv()) {  // false: it was closed
        answers.send("42");
      }
    });

    // Do not wait at all: `otherwise` runs when no other arm is ready.
    csp::select(csp::on_recv(answers, [](std::optional<std::string>) { fmt::print("early?\n"); }),
                csp::otherwise([] { fmt::print("no answer yet\n"); }));

    // Wait for a while. An arm without a handler just gives its index.
    int arm = csp::select(csp::on_recv(answers), csp::on_timeout(20ms));
    fmt::print("arm {}: {}\n", arm, arm == 1 ? "timeout" : "early?");

    // Now the answer comes in time.
    permission.close();
    csp::select(csp::on_recv(answers, [](std::optional<std::string> a) { fmt::print("answer {}\n", *a); }),
                csp::on_timeout(1min, [] { fmt::print("too late\n"); }));

    // Merge two channels until both are closed. A closed channel is always ready (with nullopt),
    // so each is replaced by a nil one when it ends.
    csp::receiver<int> evens = every_second(0);
    csp::receiver<int> odds = every_second(1);
    int sum = 0;
    int open = 2;
    auto take = [&](csp::receiver<int>& from, std::optional<int> value) {
      if (value) {
        sum += *value;
      } else {
        from = {};  // nil
        --open;
      }
    };
    while (open > 0) {
      csp::select(csp::on_recv(evens, [&](std::optional<int> n) { take(evens, n); }),
                  csp::on_recv(odds, [&](std::optional<int> n) { take(odds, n); }));
    }
    fmt::print("sum {}\n", sum);
  });
}
