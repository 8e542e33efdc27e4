// Compact memory: blocks do not overlap, come back from any thread, and all of it goes when nothing is saved.
#include "sched/saved_frames.h"

#include "test/support/catch.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <map>
#include <thread>
#include <vector>

namespace {

using csp::detail::saved_frames;

struct block {
  std::byte* memory;
  std::size_t size;
};

}  // namespace

TEST_CASE("saved_frames: blocks of all sizes keep what is written to them") {
  saved_frames frames;
  std::vector<block> blocks;
  for (std::size_t size = 1; size <= saved_frames::largest; size += 397) {
    std::byte* const memory = frames.allocate(size);
    REQUIRE(memory != nullptr);
    std::memset(memory, static_cast<int>(size % 251), size);
    blocks.push_back({memory, size});
  }
  std::map<const std::byte*, std::size_t> order;
  for (const block& each : blocks) {
    order[each.memory] = each.size;
    const std::byte* const begin = each.memory;
    CHECK(std::count(begin, begin + each.size, static_cast<std::byte>(each.size % 251)) ==
          static_cast<std::ptrdiff_t>(each.size));
  }
  const std::byte* end = nullptr;
  for (const auto& [memory, size] : order) {
    CHECK(memory >= end);
    end = memory + size;
  }
  for (const block& each : blocks) {
    frames.give_back(each.memory, each.size);
  }
  CHECK(frames.bytes_in_use() == 0);
}

TEST_CASE("saved_frames: what is given back serves the next of its size") {
  saved_frames frames;
  std::byte* const first = frames.allocate(500);
  std::byte* const other = frames.allocate(900);
  frames.give_back(first, 500);
  CHECK(frames.allocate(510) == first);
  CHECK(frames.allocate(510) != first);
  frames.give_back(other, 900);
}

TEST_CASE("saved_frames: other threads give back while one allocates") {
  saved_frames frames;
  constexpr int rounds = 200;
  constexpr std::size_t batch = 64;
  for (int round = 0; round < rounds; ++round) {
    std::vector<block> blocks;
    for (std::size_t i = 0; i < batch; ++i) {
      const std::size_t size = 32 + i * 31;
      blocks.push_back({frames.allocate(size), size});
      REQUIRE(blocks.back().memory != nullptr);
      std::memset(blocks.back().memory, static_cast<int>(i), size);
    }
    std::vector<int> damaged(2);
    const auto give_back = [&](std::size_t first) {
      for (std::size_t i = first; i < batch; i += 2) {
        damaged[first] += blocks[i].memory[blocks[i].size - 1] != static_cast<std::byte>(i) ? 1 : 0;
        frames.give_back(blocks[i].memory, blocks[i].size);
      }
    };
    std::thread even(give_back, 0);
    std::thread odd(give_back, 1);
    std::byte* const meanwhile = frames.allocate(100);
    std::memset(meanwhile, 0xFF, 100);
    even.join();
    odd.join();
    CHECK(damaged == std::vector<int>{0, 0});
    frames.give_back(meanwhile, 100);
    CHECK(frames.bytes_in_use() == 0);
  }
}

TEST_CASE("saved_frames: memory goes when nothing is saved, and not before") {
  saved_frames frames;
  std::byte* const kept = frames.allocate(64);
  std::byte* const gone = frames.allocate(64);
  *kept = std::byte{1};
  *gone = std::byte{2};
  frames.give_back(gone, 64);
  frames.trim();
  CHECK(*kept == std::byte{1});
  frames.give_back(kept, 64);
  frames.trim();
  CHECK(*kept == std::byte{0});  // a fresh page of the kernel
  CHECK(frames.allocate(64) != nullptr);
}
