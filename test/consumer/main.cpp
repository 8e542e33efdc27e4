// What a user's first program does: channels, tasks, a select, an exception across the library's border.
#include <libcsp/csp.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <stdexcept>

int main() {
  using namespace std::chrono_literals;

  const int sum = csp::run([] {
    csp::chan<int> numbers(16);
    csp::go([=] {
      for (int i = 1; i <= 100; ++i) {
        numbers.send(i);
      }
      numbers.close();
    });
    int total = 0;
    for (int n : numbers) {
      total += n;
    }
    return total;
  });

  bool thrown = false;
  try {
    csp::run([] { csp::spawn([] { throw std::runtime_error("across"); }).join(); });
  } catch (const std::runtime_error&) {
    thrown = true;
  }

  const int arm = csp::run([] {
    csp::chan<int> silent;
    return csp::select(csp::on_recv(silent, [](std::optional<int>) {}), csp::on_timeout(1ms, [] {}));
  });

  std::printf("sum %d, thrown %d, arm %d\n", sum, thrown ? 1 : 0, arm);
  return sum == 5050 && thrown && arm == 1 ? 0 : 1;
}
