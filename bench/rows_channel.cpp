// Rows about one or two channels: ping-pong, and streams of items with 1 to 64 tasks on each side.
#include <vector>

#include "bench/rows.h"

namespace bench {
namespace {

using channel = csp::chan<std::int64_t>;

// Two tasks, two unbuffered channels. An op is a round trip, which is four channel operations.
void pingpong(measurement& m) {
  const std::int64_t trips = m.scaled(3'000'000);
  std::int64_t wrong = 0;
  run(m, [&] {
    channel ping, pong;
    csp::wait_group group;
    m.start();
    group.add(2);
    csp::go([&] {
      for (std::int64_t i = 0; i < trips; ++i) pong.send(*ping.recv() + 1);
      group.done();
    });
    csp::go([&] {
      for (std::int64_t i = 0; i < trips; ++i) {
        ping.send(i);
        if (*pong.recv() != i + 1) ++wrong;
      }
      group.done();
    });
    group.wait();
    m.stop(trips);
  });
  m.expect("wrong answers", wrong, 0);
}

struct total {
  std::int64_t sum = 0;
  std::int64_t count = 0;
};

// Producers send the numbers 0 .. items-1, shared out evenly; consumers take until the channel is closed. An op is one
// item.
void stream(measurement& m, std::size_t capacity, int producers, int consumers, std::int64_t items) {
  std::vector<total> totals(static_cast<std::size_t>(consumers));
  const std::int64_t share = items / producers;
  run(m, [&] {
    channel ch(capacity);
    csp::wait_group sending, receiving;
    m.start();
    sending.add(producers);
    receiving.add(consumers);
    for (int p = 0; p < producers; ++p) {
      csp::go([&, first = p * share] {
        for (std::int64_t v = first; v < first + share; ++v) ch.send(v);
        sending.done();
      });
    }
    for (total& slot : totals) {
      csp::go([&] {
        total mine;
        for (std::int64_t v : ch) {
          mine.sum += v;
          ++mine.count;
        }
        slot = mine;
        receiving.done();
      });
    }
    sending.wait();
    ch.close();
    receiving.wait();
    m.stop(items);
  });
  total all;
  for (const total& t : totals) {
    all.sum += t.sum;
    all.count += t.count;
  }
  m.expect("items", all.count, items);
  m.expect("sum", all.sum, items * (items - 1) / 2);
}

// Item counts are multiples of 64, so that every producer has the same share.
constexpr row rows[] = {
    {"pingpong", 1, pingpong},
    {"unbuffered_1p1c", 1, [](measurement& m) { stream(m, 0, 1, 1, m.scaled(4'000'000, 64)); }},
    {"buffered128_1p1c", 1, [](measurement& m) { stream(m, 128, 1, 1, m.scaled(10'000'000, 64)); }},
    {"buffered128_4p4c", 1, [](measurement& m) { stream(m, 128, 4, 4, m.scaled(10'000'000, 64)); }},
    {"buffered128_64p64c", 1, [](measurement& m) { stream(m, 128, 64, 64, m.scaled(10'000'000, 64)); }},
};

}  // namespace

std::span<const row> channel_rows() { return rows; }

}  // namespace bench
