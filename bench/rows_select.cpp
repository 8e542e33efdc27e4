// Rows about select: N producers on N unbuffered channels, one consumer that selects over all of them.
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "bench/rows.h"

namespace bench {
namespace {

using channel = csp::chan<std::int64_t>;

template <std::size_t... Arm>
std::int64_t drain(const std::array<channel, sizeof...(Arm)>& channels, std::int64_t items,
                   std::index_sequence<Arm...>) {
  std::int64_t sum = 0;
  auto add = [&sum](std::optional<std::int64_t> v) { sum += *v; };
  for (std::int64_t i = 0; i < items; ++i) csp::select(csp::on_recv(channels[Arm], add)...);
  return sum;
}

// An op is one item. Items are a multiple of the arms.
template <std::size_t Arms>
void select_row(measurement& m, std::int64_t items) {
  std::int64_t sum = 0;
  run(m, [&] {
    const std::array<channel, Arms> channels;
    const std::int64_t share = items / static_cast<std::int64_t>(Arms);
    csp::wait_group group;
    m.start();
    group.add(static_cast<int>(Arms + 1));
    std::int64_t first = 0;
    for (const channel& ch : channels) {
      csp::go([&group, &ch, first, share] {
        for (std::int64_t v = first; v < first + share; ++v) ch.send(v);
        group.done();
      });
      first += share;
    }
    csp::go([&] {
      sum = drain(channels, items, std::make_index_sequence<Arms>{});
      group.done();
    });
    group.wait();
    m.stop(items);
  });
  m.expect("sum", sum, items * (items - 1) / 2);
}

constexpr row rows[] = {
    {"select2", 1, [](measurement& m) { select_row<2>(m, m.scaled(3'000'000, 8)); }},
    {"select8", 1, [](measurement& m) { select_row<8>(m, m.scaled(2'000'000, 8)); }},
};

}  // namespace

std::span<const row> select_rows() { return rows; }

}  // namespace bench
