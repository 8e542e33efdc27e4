// 04: a worker pool.
//
// Teaches: several tasks that receive from one channel share its values among them; a wait_group
// tells when the last worker has ended, which is the moment to close the channel of results.

#include <libcsp/csp.h>

#include <fmt/core.h>

#include <map>

namespace {

struct result {
  int number;
  int steps;
};

// The length of the Collatz sequence from n down to 1.
int collatz_steps(long n) {
  int steps = 0;
  for (; n != 1; ++steps) {
    n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  }
  return steps;
}

}  // namespace

int main() {
  csp::run([] {
    csp::chan<int> jobs;
    csp::chan<result> results(16);

    csp::wait_group workers;
    for (int i = 0; i < 4; ++i) {
      workers.go([=] {
        for (int number : jobs) {
          results.send(result{number, collatz_steps(number)});
        }
      });
    }
    csp::go([&workers, results] {
      workers.wait();
      results.close();
    });

    csp::go([=] {
      for (int number = 1; number <= 30'000; ++number) {
        jobs.send(number);
      }
      jobs.close();  // every worker sees the end
    });

    // Results come in any order: the workers run in parallel.
    std::map<int, int> records;  // number -> steps
    int received = 0;
    for (result r : results) {
      ++received;
      if (r.steps >= 275) {
        records[r.number] = r.steps;
      }
    }
    fmt::print("{} numbers; 275 steps or more:\n", received);
    for (auto [number, steps] : records) {
      fmt::print("{} takes {} steps\n", number, steps);
    }
  });
}
