// hotpath_loops LOOP COUNT: one loop of COUNT operations on one processor, its result checked. ./check runs it under
// callgrind with two counts: the difference of the two runs is what the operations alone execute.
//
// One processor, no spares and a fixed seed: then the same operations happen in every run.
// Exit status: 0, 1 for a wrong result, 2 for bad arguments. `--compiler` prints what the program was compiled with.
#include <libcsp/csp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string_view>
#include <utility>

namespace {

using channel = csp::chan<std::int64_t>;

// Every loop returns a sum that depends on each of its operations.
struct loop {
  std::string_view name;
  std::int64_t (*body)(std::int64_t count);
  std::int64_t (*want)(std::int64_t count);
};

std::int64_t same(std::int64_t count) { return count; }
std::int64_t sum_below(std::int64_t count) { return count * (count - 1) / 2; }

// Two tasks yield to each other. An operation is one yield.
std::int64_t yield(std::int64_t count) {
  std::int64_t yields = 0;
  csp::wait_group group(2);
  for (int t = 0; t < 2; ++t) {
    csp::go([&, mine = count / 2] {
      for (std::int64_t i = 0; i < mine; ++i) {
        csp::yield();
        ++yields;
      }
      group.done();
    });
  }
  group.wait();
  return yields;
}

// Waves of 1000 tasks, as in the bench row. An operation is one task, spawned, run and finished.
std::int64_t spawn(std::int64_t count) {
  constexpr int wave = 1000;
  std::int64_t ran = 0;
  csp::wait_group group;
  for (std::int64_t w = 0; w < count / wave; ++w) {
    group.add(wave);
    for (int t = 0; t < wave; ++t) {
      csp::go([&] {
        ++ran;
        group.done();
      });
    }
    group.wait();
  }
  return ran;
}

// Two unbuffered channels. An operation is a round trip: two sends and two receives.
std::int64_t pingpong(std::int64_t count) {
  const channel ping, pong;
  csp::go([=] {
    for (std::int64_t i = 0; i < count; ++i) pong.send(*ping.recv());
  });
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    ping.send(i);
    sum += *pong.recv();
  }
  return sum;
}

// One producer, one consumer. An operation is one item.
std::int64_t stream(std::int64_t count, std::size_t capacity) {
  const channel ch(capacity);
  csp::go([=] {
    for (std::int64_t i = 0; i < count; ++i) ch.send(i);
    ch.close();
  });
  std::int64_t sum = 0;
  for (std::int64_t v : ch) sum += v;
  return sum;
}

// A producer on each of the channels, a consumer that selects over all. An operation is one item.
template <std::size_t... Arm>
std::int64_t select_over(std::int64_t count, std::index_sequence<Arm...>) {
  const std::array<channel, sizeof...(Arm)> channels;
  const std::int64_t share = count / static_cast<std::int64_t>(sizeof...(Arm));
  std::int64_t first = 0;
  for (const channel& ch : channels) {
    csp::go([ch, first, share] {
      for (std::int64_t v = first; v < first + share; ++v) ch.send(v);
    });
    first += share;
  }
  std::int64_t sum = 0;
  auto add = [&sum](std::optional<std::int64_t> v) { sum += *v; };
  for (std::int64_t i = 0; i < count; ++i) csp::select(csp::on_recv(channels[Arm], add)...);
  return sum;
}

// A free mutex, locked and unlocked. An operation is one pair.
std::int64_t mutex(std::int64_t count) {
  csp::mutex lock;
  std::int64_t counter = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::lock_guard held(lock);
    ++counter;
  }
  return counter;
}

constexpr loop loops[] = {
    {"yield", yield, same},
    {"spawn", spawn, same},
    {"pingpong", pingpong, sum_below},
    {"unbuffered", [](std::int64_t count) { return stream(count, 0); }, sum_below},
    {"buffered128", [](std::int64_t count) { return stream(count, 128); }, sum_below},
    {"select2", [](std::int64_t count) { return select_over(count, std::make_index_sequence<2>{}); }, sum_below},
    {"select8", [](std::int64_t count) { return select_over(count, std::make_index_sequence<8>{}); }, sum_below},
    {"mutex", mutex, same},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--compiler") == 0) {
    std::puts(__VERSION__);
    return 0;
  }
  const loop* found = std::end(loops);
  std::int64_t count = 0;
  if (argc == 3) {
    found = std::find_if(std::begin(loops), std::end(loops), [&](const loop& l) { return l.name == argv[1]; });
    std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), count);
  }
  // A multiple of 1000 is one of every loop's units (waves, arms).
  if (found == std::end(loops) || count < 1000 || count % 1000 != 0) {
    std::fprintf(stderr, "usage: hotpath_loops LOOP COUNT    COUNT is a multiple of 1000. Loops:");
    for (const loop& l : loops) std::fprintf(stderr, " %.*s", static_cast<int>(l.name.size()), l.name.data());
    std::fputc('\n', stderr);
    return 2;
  }
  csp::options options;
  options.processors = 1;
  options.spares = 0;
  options.seed = 1;
  const std::int64_t got = csp::run(options, [&] { return found->body(count); });
  if (got == found->want(count)) return 0;
  std::fprintf(stderr, "hotpath_loops: %s gave %lld, not %lld\n", argv[1], static_cast<long long>(got),
               static_cast<long long>(found->want(count)));
  return 1;
}
