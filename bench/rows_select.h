// Rows about select: N producers on N unbuffered channels and one consumer, and a timeout that never fires.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/capabilities.h"
#include "bench/harness.h"

namespace bench {

// An op is one item. Items are a multiple of the arms.
template <class P, std::size_t Arms>
void select_row(measurement& m, std::int64_t items) {
  std::int64_t sum = 0;
  P::run(m, [&] {
    const std::array<typename P::template unbuffered<std::int64_t>, Arms> channels;
    const std::int64_t share = items / static_cast<std::int64_t>(Arms);
    typename P::group group(Arms + 1);
    m.start();
    std::int64_t first = 0;
    for (const auto& ch : channels) {
      group.go([&ch, first, share] {
        for (std::int64_t v = first; v < first + share; ++v) ch.send(v);
      });
      first += share;
    }
    group.go([&] { sum = P::drain(channels, items); });
    group.wait();
    m.stop(items);
  });
  m.expect("sum", sum, items * (items - 1) / 2);
}

// A producer on an unbuffered channel; the consumer's every receive gives up after an hour. An op is one item.
template <class P>
void timeout_row(measurement& m) {
  constexpr std::chrono::nanoseconds never = std::chrono::hours(1);
  const std::int64_t items = m.scaled(3'000'000);
  std::int64_t sum = 0;
  std::int64_t missing = 0;
  P::run(m, [&] {
    const typename P::template unbuffered<std::int64_t> ch;
    typename P::group group(2);
    m.start();
    group.go([&] {
      for (std::int64_t v = 0; v < items; ++v) ch.send(v);
    });
    group.go([&] {
      for (std::int64_t i = 0; i < items; ++i) {
        if (const auto v = P::recv_within(ch, never)) {
          sum += *v;
        } else {
          ++missing;
        }
      }
    });
    group.wait();
    m.stop(items);
  });
  m.expect("missing items", missing, 0);
  m.expect("sum", sum, items * (items - 1) / 2);
}

template <class P>
std::vector<row> select_rows() {
  std::vector<row> rows;
  if constexpr (has_unbuffered<P>) {
    if constexpr (selects<P>) {
      rows.push_back({"select2", 1, [](measurement& m) { select_row<P, 2>(m, m.scaled(3'000'000, 8)); }});
      rows.push_back({"select8", 1, [](measurement& m) { select_row<P, 8>(m, m.scaled(2'000'000, 8)); }});
    }
    if constexpr (receives_within<P>) rows.push_back({"select_timeout", 1, timeout_row<P>});
  }
  return rows;
}

}  // namespace bench
