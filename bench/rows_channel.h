// Rows about one or two channels: ping-pong, and streams of items with 1 to 64 tasks on each side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/capabilities.h"
#include "bench/harness.h"
#include "bench/work.h"

namespace bench {

// Pairs of tasks, each with two unbuffered channels; after a receive a task touches memory of its own (Lines > 0). An
// op is a round trip, which is four channel operations.
template <class P, std::size_t Lines>
void pingpong_row(measurement& m, std::int64_t pairs, std::int64_t trips) {
  using channel = typename P::template unbuffered<std::int64_t>;
  struct result {
    std::int64_t wrong = 0;
    std::int64_t touched = 0;
  };
  std::vector<result> results(static_cast<std::size_t>(pairs));
  P::run(m, [&] {
    const std::vector<channel> pings(static_cast<std::size_t>(pairs)), pongs(static_cast<std::size_t>(pairs));
    typename P::group group(2 * pairs);
    m.start();
    for (std::size_t p = 0; p < results.size(); ++p) {
      group.go([&ping = pings[p], &pong = pongs[p], trips] {
        cold_memory<Lines> memory;
        for (std::int64_t i = 0; i < trips; ++i) {
          const std::int64_t v = *ping.recv();
          static_cast<void>(memory.touch());
          pong.send(v + 1);
        }
      });
      group.go([&ping = pings[p], &pong = pongs[p], &slot = results[p], trips] {
        result mine;
        cold_memory<Lines> memory;
        for (std::int64_t i = 0; i < trips; ++i) {
          ping.send(i);
          if (*pong.recv() != i + 1) ++mine.wrong;
          mine.touched = memory.touch();
        }
        slot = mine;
      });
    }
    group.wait();
    m.stop(pairs * trips);
  });
  for (const result& r : results) {
    m.expect("wrong answers of a pair", r.wrong, 0);
    m.expect("touched lines of a task", r.touched, trips * static_cast<std::int64_t>(Lines));
  }
}

// Producers send the numbers 0 .. items-1, shared out evenly; consumers take until the channel is closed. An op is one
// item.
template <class P, class Channel>
void stream(measurement& m, Channel ch, int producers, int consumers, std::int64_t items) {
  struct total {
    std::int64_t sum = 0;
    std::int64_t count = 0;
  };
  std::vector<total> totals(static_cast<std::size_t>(consumers));
  const std::int64_t share = items / producers;
  typename P::group sending(producers), receiving(consumers);
  m.start();
  for (int p = 0; p < producers; ++p) {
    sending.go([&ch, share, first = p * share] {
      for (std::int64_t v = first; v < first + share; ++v) ch.send(v);
    });
  }
  for (total& slot : totals) {
    receiving.go([&ch, &slot] {
      total mine;
      while (auto v = ch.recv()) {
        mine.sum += *v;
        ++mine.count;
      }
      slot = mine;
    });
  }
  sending.wait();
  ch.close();
  receiving.wait();
  m.stop(items);
  total all;
  for (const total& t : totals) {
    all.sum += t.sum;
    all.count += t.count;
  }
  m.expect("items", all.count, items);
  m.expect("sum", all.sum, items * (items - 1) / 2);
}

// Item counts are multiples of 64, so that every producer has the same share.
template <class P>
void unbuffered_row(measurement& m) {
  P::run(m, [&] { stream<P>(m, typename P::template unbuffered<std::int64_t>(), 1, 1, m.scaled(4'000'000, 64)); });
}

template <class P, int Tasks>
void buffered_row(measurement& m) {
  P::run(m, [&] {
    stream<P>(m, typename P::template buffered<std::int64_t>(128), Tasks, Tasks, m.scaled(10'000'000, 64));
  });
}

template <class P>
std::vector<row> channel_rows() {
  std::vector<row> rows;
  if constexpr (has_unbuffered<P>) {
    rows.push_back({"pingpong", 1, [](measurement& m) { pingpong_row<P, 0>(m, 1, m.scaled(3'000'000)); }});
    rows.push_back({"pingpong500", 1, [](measurement& m) { pingpong_row<P, 0>(m, 500, m.scaled(4'000)); }});
    rows.push_back(
        {"pingpong500_cold", 1, [](measurement& m) { pingpong_row<P, cold_lines>(m, 500, m.scaled(2'000)); }});
    rows.push_back({"unbuffered_1p1c", 1, unbuffered_row<P>});
  }
  if constexpr (has_buffered<P>) {
    rows.push_back({"buffered128_1p1c", 1, buffered_row<P, 1>});
    rows.push_back({"buffered128_4p4c", 1, buffered_row<P, 4>});
    rows.push_back({"buffered128_64p64c", 1, buffered_row<P, 64>});
  }
  return rows;
}

}  // namespace bench
