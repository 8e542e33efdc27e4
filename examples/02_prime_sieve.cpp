// 02: the prime sieve, the classic of channel programs.
//
// Teaches: one-way channel views (csp::sender, csp::receiver), a chain of tasks that grows while it
// runs, and what becomes of tasks that still wait when csp::run's function returns: they are
// cancelled. Their waiting operation throws csp::canceled, their stacks unwind, then run returns.

#include <libcsp/csp.h>

#include <fmt/core.h>

namespace {

// Sends 2, 3, 4, ... for ever.
void generate(csp::sender<int> out) {
  for (int n = 2;; ++n) {
    out.send(n);
  }
}

// Passes on all numbers but the multiples of prime.
void filter(csp::receiver<int> in, csp::sender<int> out, int prime) {
  for (int n : in) {
    if (n % prime != 0) {
      out.send(n);
    }
  }
}

}  // namespace

int main() {
  csp::run([] {
    csp::chan<int> numbers;
    csp::go([=] { generate(numbers); });

    // What comes out of the last filter first is the next prime; it gets a filter of its own.
    for (int i = 1; i <= 25; ++i) {
      int prime = numbers.recv().value();
      fmt::print("{}{}", prime, i % 5 == 0 ? '\n' : ' ');

      csp::chan<int> filtered;
      csp::go([=] { filter(numbers, filtered, prime); });
      numbers = filtered;
    }
  });
}
