// The Boost.Fiber twins of the rows of csp_bench: the same work, the same arguments, the same JSON lines.
#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string_view>
#include <vector>

#include "bench/compare/boost_fiber/fibers.h"
#include "bench/harness.h"
#include "bench/work.h"

namespace bench {
namespace {

namespace fibers = boost::fibers;

using unbuffered = fibers::unbuffered_channel<std::int64_t>;
using buffered = fibers::buffered_channel<std::int64_t>;

void join(std::vector<fibers::fiber>& all) {
  for (fibers::fiber& f : all) f.join();
  all.clear();
}

void yield_row(measurement& m, std::int64_t tasks, std::int64_t yields) {
  spawner spawn(m);
  std::vector<std::int64_t> done(static_cast<std::size_t>(tasks));
  std::vector<fibers::fiber> all;
  m.start();
  for (std::int64_t& slot : done) {
    all.push_back(spawn([&slot, yields] {
      std::int64_t count = 0;
      for (std::int64_t i = 0; i < yields; ++i) {
        boost::this_fiber::yield();
        ++count;
      }
      slot = count;
    }));
  }
  join(all);
  m.stop(tasks * yields);
  std::int64_t sum = 0;
  for (std::int64_t d : done) sum += d;
  m.expect("yields", sum, tasks * yields);
}

void spawn_row(measurement& m) {
  constexpr int wave = 1000;
  const std::int64_t waves = m.scaled(1000);
  spawner spawn(m);
  std::vector<std::int32_t> ran(wave);
  std::vector<fibers::fiber> all;
  all.reserve(wave);
  m.start();
  for (std::int64_t w = 0; w < waves; ++w) {
    for (std::int32_t& slot : ran) all.push_back(spawn([&slot] { ++slot; }));
    join(all);
  }
  m.stop(waves * wave);
  for (std::int32_t r : ran) m.expect("runs of a task", r, waves);
}

void mutex8(measurement& m) {
  constexpr int tasks = 8;
  constexpr std::int64_t locks = 250'000;
  const std::int64_t rounds = m.scaled(5);
  spawner spawn(m);
  std::int64_t counter = 0;
  fibers::mutex mutex;
  std::vector<fibers::fiber> all;
  m.start();
  for (std::int64_t r = 0; r < rounds; ++r) {
    for (int t = 0; t < tasks; ++t) {
      all.push_back(spawn([&] {
        for (std::int64_t i = 0; i < locks; ++i) {
          std::lock_guard held(mutex);
          ++counter;
        }
      }));
    }
    join(all);
  }
  m.stop(rounds * tasks * locks);
  m.expect("counter", counter, rounds * tasks * locks);
}

void pingpong(measurement& m) {
  const std::int64_t trips = m.scaled(3'000'000);
  spawner spawn(m);
  std::int64_t wrong = 0;
  unbuffered ping, pong;
  std::vector<fibers::fiber> all;
  m.start();
  all.push_back(spawn([&] {
    for (std::int64_t i = 0; i < trips; ++i) pong.push(ping.value_pop() + 1);
  }));
  all.push_back(spawn([&] {
    for (std::int64_t i = 0; i < trips; ++i) {
      ping.push(i);
      if (pong.value_pop() != i + 1) ++wrong;
    }
  }));
  join(all);
  m.stop(trips);
  m.expect("wrong answers", wrong, 0);
}

struct total {
  std::int64_t sum = 0;
  std::int64_t count = 0;
};

template <class Channel>
void stream(measurement& m, Channel& ch, int producers, int consumers, std::int64_t items) {
  spawner spawn(m);
  std::vector<total> totals(static_cast<std::size_t>(consumers));
  const std::int64_t share = items / producers;
  std::vector<fibers::fiber> sending, receiving;
  m.start();
  for (int p = 0; p < producers; ++p) {
    sending.push_back(spawn([&ch, share, first = p * share] {
      for (std::int64_t v = first; v < first + share; ++v) ch.push(v);
    }));
  }
  for (total& slot : totals) {
    receiving.push_back(spawn([&ch, &slot] {
      total mine;
      for (std::int64_t v : ch) {
        mine.sum += v;
        ++mine.count;
      }
      slot = mine;
    }));
  }
  join(sending);
  ch.close();
  join(receiving);
  m.stop(items);
  total all;
  for (const total& t : totals) {
    all.sum += t.sum;
    all.count += t.count;
  }
  m.expect("items", all.count, items);
  m.expect("sum", all.sum, items * (items - 1) / 2);
}

void unbuffered_stream(measurement& m) {
  unbuffered ch;
  stream(m, ch, 1, 1, m.scaled(4'000'000, 64));
}

// Boost's capacity has to be a power of two, and one slot stays empty: 127 items.
void buffered_stream(measurement& m, int producers, int consumers) {
  buffered ch(128);
  stream(m, ch, producers, consumers, m.scaled(10'000'000, 64));
}

// At the end the generator stops and every channel is closed by its own sender, downstream: closing a channel in which
// a sender still waits leaves that sender's value behind in Boost 1.74, and the next receive resumes a dead fiber.
void sieve(measurement& m) {
  const std::int64_t primes = m.scaled(2000);
  spawner spawn(m);
  std::deque<unbuffered> channels;  // its elements never move
  std::vector<fibers::fiber> all;
  std::atomic<bool> enough{false};
  std::int64_t last = 0;
  m.start();
  unbuffered* in = &channels.emplace_back();
  all.push_back(spawn([out = in, &enough] {
    for (std::int64_t n = 2; !enough.load(std::memory_order_relaxed); ++n) out->push(n);
    out->close();
  }));
  for (std::int64_t i = 0; i < primes; ++i) {
    const std::int64_t prime = in->value_pop();
    last = prime;
    unbuffered* next = &channels.emplace_back();
    all.push_back(spawn([in, next, prime] {
      for (std::int64_t n : *in)
        if (n % prime != 0) next->push(n);
      next->close();
    }));
    in = next;
  }
  m.stop(primes);
  enough = true;
  for (std::int64_t left_over : *in) static_cast<void>(left_over);
  join(all);
  m.expect("last prime", last, nth_prime(primes));
}

void ring(measurement& m) {
  const std::int64_t tasks = m.scaled(100'000);
  spawner spawn(m);
  std::deque<unbuffered> channels;
  std::vector<fibers::fiber> all;
  m.start();
  unbuffered* left = &channels.emplace_back();
  for (std::int64_t i = 0; i < tasks; ++i) {
    unbuffered* right = &channels.emplace_back();
    all.push_back(spawn([left, right] { right->push(1 + left->value_pop()); }));
    left = right;
  }
  channels.front().push(0);
  const std::int64_t token = left->value_pop();
  m.stop(tasks);
  join(all);
  m.expect("token", token, tasks);
}

constexpr row rows[] = {
    {"yield2", 1, [](measurement& m) { yield_row(m, 2, m.scaled(8'000'000)); }},
    {"yield1000", 1, [](measurement& m) { yield_row(m, 1000, m.scaled(8'000)); }},
    {"spawn", 1, spawn_row},
    {"mutex8", 1, mutex8},
    {"pingpong", 1, pingpong},
    {"unbuffered_1p1c", 1, unbuffered_stream},
    {"buffered128_1p1c", 1, [](measurement& m) { buffered_stream(m, 1, 1); }},
    {"buffered128_4p4c", 1, [](measurement& m) { buffered_stream(m, 4, 4); }},
    {"buffered128_64p64c", 1, [](measurement& m) { buffered_stream(m, 64, 64); }},
    {"sieve", 1, sieve},
    {"ring", 1, ring},
};

}  // namespace
}  // namespace bench

// `--suspend`, which has to come first, is explained in fibers.h; it makes another peer.
int main(int argc, char** argv) {
  const bool suspend = argc > 1 && std::string_view(argv[1]) == "--suspend";
  if (suspend) {
    bench::set_suspend(true);
    ++argv;
    --argc;
  }
  const int status = bench::main_program(argc, argv, suspend ? "boost_fiber_suspend" : "boost_fiber", bench::rows);
  bench::stop_workers();
  return status;
}
