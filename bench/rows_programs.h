// Small whole programs: skynet, the prime sieve, a long ring, many sleepers.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include "bench/capabilities.h"
#include "bench/harness.h"
#include "bench/work.h"

namespace bench {

template <class P>
void skynet_node(const typename P::template unbuffered<std::int64_t>& parent, std::int64_t number, std::int64_t size) {
  if (size == 1) {
    parent.send(number);
    return;
  }
  const typename P::template unbuffered<std::int64_t> children;
  const std::int64_t part = size / 10;
  for (std::int64_t i = 0; i < 10; ++i)
    P::go([children, first = number + i * part, part] { skynet_node<P>(children, first, part); });
  std::int64_t sum = 0;
  for (int i = 0; i < 10; ++i) sum += *children.recv();
  parent.send(sum);
}

// A tree of tasks, ten children each, down to a million leaves, whose numbers are added on the way up. An op is one
// leaf.
template <class P>
void skynet_row(measurement& m) {
  std::int64_t leaves = 1;
  while (leaves * 10 <= m.scaled(1'000'000)) leaves *= 10;
  std::int64_t sum = 0;
  P::run(m, [&] {
    m.start();
    const typename P::template unbuffered<std::int64_t> result;
    P::go([result, leaves] { skynet_node<P>(result, 0, leaves); });
    sum = *result.recv();
    m.stop(leaves);
  });
  m.expect("sum", sum, leaves * (leaves - 1) / 2);
}

// The prime sieve with one filter task a prime. An op is one prime. What follows the last prime is not measured: the
// generator stops, and every channel is closed by its own sender, downstream. (The Go twin leaves its tasks behind.)
template <class P>
void sieve_row(measurement& m) {
  using channel = typename P::template unbuffered<std::int64_t>;
  const std::int64_t primes = m.scaled(2000);
  std::int64_t last = 0;
  P::run(m, [&] {
    std::atomic<bool> enough{false};
    m.start();
    channel in;
    P::go([out = in, &enough] {
      for (std::int64_t n = 2; !enough.load(std::memory_order_relaxed); ++n) out.send(n);
      out.close();
    });
    for (std::int64_t i = 0; i < primes; ++i) {
      const std::int64_t prime = *in.recv();
      last = prime;
      channel next;
      P::go([in, next, prime] {
        while (const auto n = in.recv())
          if (*n % prime != 0) next.send(*n);
        next.close();
      });
      in = next;
    }
    m.stop(primes);
    enough = true;
    while (in.recv()) {
    }
  });
  m.expect("last prime", last, nth_prime(primes));
}

// A ring of 100,000 tasks, spawned here; one token goes once around and every task adds one to it. An op is one task.
template <class P>
void ring_row(measurement& m) {
  using channel = typename P::template unbuffered<std::int64_t>;
  const std::int64_t tasks = m.scaled(100'000);
  std::int64_t token = 0;
  P::run(m, [&] {
    m.start();
    const channel first;
    channel left = first;
    for (std::int64_t i = 0; i < tasks; ++i) {
      channel right;
      P::go([left, right] { right.send(1 + *left.recv()); });
      left = right;
    }
    first.send(0);
    token = *left.recv();
    m.stop(tasks);
  });
  m.expect("token", token, tasks);
}

inline constexpr std::int64_t naps = 10;  // of each task of sleep_row

// 100,000 tasks sleep 10 times each, for 10 to 109 ms by a fixed rule. An op is one sleep. How late each wakes is
// noted.
template <class P>
void sleep_row(measurement& m) {
  using steady = std::chrono::steady_clock;
  const std::int64_t tasks = m.scaled(100'000);
  std::vector<std::int64_t> late(static_cast<std::size_t>(tasks * naps));
  P::run(m, [&] {
    typename P::group group(tasks);
    m.start();
    for (std::int64_t t = 0; t < tasks; ++t) {
      group.go([t, mine = late.data() + t * naps] {
        for (std::int64_t s = 0; s < naps; ++s) {
          const auto length = std::chrono::milliseconds(10 + (t * 7 + s * 13) % 100);
          const auto begin = steady::now();
          P::sleep_for(length);
          mine[s] = std::chrono::nanoseconds(steady::now() - begin - length).count();
        }
      });
    }
    group.wait();
    m.stop(tasks * naps);
  });
  m.note_lateness(late, "late_ms", std::chrono::milliseconds(1));
}

template <class P>
std::vector<row> program_rows() {
  std::vector<row> rows;
  if constexpr (has_unbuffered<P>) {
    rows.push_back({"skynet", 1, skynet_row<P>});
    rows.push_back({"sieve", 1, sieve_row<P>});
    rows.push_back({"ring", 1, ring_row<P>});
  }
  if constexpr (sleeps<P>) rows.push_back({"sleep", 1, sleep_row<P>});
  return rows;
}

}  // namespace bench
