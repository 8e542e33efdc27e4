// 05: a pipeline that is cancelled early through a closed channel.
//
// Teaches: stages joined by channels; a `done` channel that carries no value: to close it is a
// message to everybody. Each stage waits for its own work and for `done` in one select, so none is
// left behind when the consumer has had enough.

#include <libcsp/csp.h>

#include <fmt/core.h>

#include <vector>

namespace {

// Sends value to out, unless done is closed first. Returns false when it is time to stop.
bool offer(csp::sender<int> out, int value, csp::receiver<void> done) {
  return csp::select(csp::on_send(out, value), csp::on_recv(done)) == 0;
}

// First stage: all numbers from 1.
void count(csp::sender<int> out, csp::receiver<void> done) {
  for (int n = 1; offer(out, n, done); ++n) {
  }
  out.close();
}

// Middle stage: f of everything that comes in.
template <class F>
void transform(csp::receiver<int> in, csp::sender<int> out, csp::receiver<void> done, F f) {
  for (int n : in) {
    if (!offer(out, f(n), done)) {
      break;
    }
  }
  out.close();
}

}  // namespace

int main() {
  csp::run([] {
    csp::chan<void> done;
    csp::chan<int> numbers;
    csp::chan<int> squares;
    csp::chan<int> sums(4);

    std::vector<csp::join_handle<void>> stages;
    stages.push_back(csp::spawn([=] { count(numbers, done); }));
    stages.push_back(csp::spawn([=] { transform(numbers, squares, done, [](int n) { return n * n; }); }));
    stages.push_back(
        csp::spawn([=] { transform(squares, sums, done, [sum = 0](int n) mutable { return sum += n; }); }));

    // The stages would go on for ever; this consumer wants the sums below 400 only.
    for (int sum : sums) {
      if (sum >= 400) {
        break;
      }
      fmt::print("{}\n", sum);
    }
    done.close();

    for (csp::join_handle<void>& stage : stages) {
      stage.join();
    }
    fmt::print("all {} stages have ended\n", stages.size());
  });
}
