// Small whole programs: skynet, the prime sieve, a long ring, many sleepers.
#include <algorithm>
#include <chrono>
#include <vector>

#include "bench/rows.h"
#include "bench/work.h"

namespace bench {
namespace {

using channel = csp::chan<std::int64_t>;

void skynet_node(const channel& parent, std::int64_t number, std::int64_t size) {
  if (size == 1) {
    parent.send(number);
    return;
  }
  const channel children;
  const std::int64_t part = size / 10;
  for (std::int64_t i = 0; i < 10; ++i)
    csp::go([children, first = number + i * part, part] { skynet_node(children, first, part); });
  std::int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += *children.recv();
  parent.send(sum);
}

// A tree of tasks, ten children each, down to a million leaves, whose numbers are added on the way up. An op is one
// leaf.
void skynet(measurement& m) {
  std::int64_t leaves = 1;
  while (leaves * 10 <= m.scaled(1'000'000)) leaves *= 10;
  std::int64_t sum = 0;
  run(m, [&] {
    m.start();
    const channel result;
    csp::go([result, leaves] { skynet_node(result, 0, leaves); });
    sum = *result.recv();
    m.stop(leaves);
  });
  m.expect("sum", sum, leaves * (leaves - 1) / 2);
}

// The prime sieve with one filter task a prime. An op is one prime. The filters that still wait at the end are
// cancelled by the end of run(), outside of the measured time (the Go twin leaves them behind).
void sieve(measurement& m) {
  const std::int64_t primes = m.scaled(2000);
  std::int64_t last = 0;
  run(m, [&] {
    m.start();
    channel in;
    csp::go([out = in] {
      for (std::int64_t n = 2;; ++n) out.send(n);
    });
    for (std::int64_t i = 0; i < primes; ++i) {
      const std::int64_t prime = *in.recv();
      last = prime;
      channel next;
      csp::go([in, next, prime] {
        for (;;) {
          const std::int64_t n = *in.recv();
          if (n % prime != 0) next.send(n);
        }
      });
      in = next;
    }
    m.stop(primes);
  });
  m.expect("last prime", last, nth_prime(primes));
}

// A ring of 100,000 tasks, spawned here; one token goes once around and every task adds one to it. An op is one task.
void ring(measurement& m) {
  const std::int64_t tasks = m.scaled(100'000);
  std::int64_t token = 0;
  run(m, [&] {
    m.start();
    const channel first;
    channel left = first;
    for (std::int64_t i = 0; i < tasks; ++i) {
      channel right;
      csp::go([left, right] { right.send(1 + *left.recv()); });
      left = right;
    }
    first.send(0);
    token = *left.recv();
    m.stop(tasks);
  });
  m.expect("token", token, tasks);
}

constexpr std::int64_t sleeps = 10;  // of each task

// 100,000 tasks sleep 10 times each, for 10 to 109 ms by a fixed rule. An op is one sleep. How late each wakes is
// noted.
void sleep(measurement& m) {
  const std::int64_t tasks = m.scaled(100'000);
  std::vector<std::int64_t> late(static_cast<std::size_t>(tasks * sleeps));
  run(m, [&] {
    csp::wait_group group;
    m.start();
    group.add(static_cast<int>(tasks));
    for (std::int64_t t = 0; t < tasks; ++t) {
      csp::go([&group, t, mine = late.data() + t * sleeps] {
        for (std::int64_t s = 0; s < sleeps; ++s) {
          const auto length = std::chrono::milliseconds(10 + (t * 7 + s * 13) % 100);
          const auto begin = std::chrono::steady_clock::now();
          csp::sleep_for(length);
          mine[s] = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin - length).count();
        }
        group.done();
      });
    }
    group.wait();
    m.stop(tasks * sleeps);
  });
  std::sort(late.begin(), late.end());
  if (late.front() < 0) m.fail("a sleep ended early");
  m.note("p50_late_ms", quantile(late, 0.5) / 1e6);
  m.note("p99_late_ms", quantile(late, 0.99) / 1e6);
}

constexpr row rows[] = {
    {"skynet", 1, skynet},
    {"sieve", 1, sieve},
    {"ring", 1, ring},
    {"sleep", 1, sleep},
};

}  // namespace

std::span<const row> program_rows() { return rows; }

}  // namespace bench
