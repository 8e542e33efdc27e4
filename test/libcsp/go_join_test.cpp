// csp::go, csp::spawn and join_handle: values, references, exceptions, and the ways in which task and handle part.
#include "test/support/topologies.h"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

int global = 5;
int& reference_to_global() { return global; }

// Counts its living objects, wherever they are moved to.
struct tracked {
  static inline std::atomic<int> alive{0};
  tracked() { ++alive; }
  tracked(tracked&&) noexcept { ++alive; }
  tracked(const tracked&) { ++alive; }
  tracked& operator=(const tracked&) = default;
  tracked& operator=(tracked&&) = default;
  ~tracked() { --alive; }
};

}  // namespace

TEST_CASE("join: values of all kinds come back") {
  on_each_topology([](expectations& expect, unsigned) {
    expect(csp::spawn([] { return 1; }).join() == 1, "int");
    expect(csp::spawn([] { return std::string(300, 'a'); }).join() == std::string(300, 'a'), "string");
    expect(*csp::spawn([] { return std::make_unique<int>(3); }).join() == 3, "move-only");
    expect(&csp::spawn(reference_to_global).join() == &global, "reference");
    static_assert(std::is_same_v<decltype(csp::spawn([] {}).join()), void>);
    csp::spawn([] {}).join();
    const auto large = csp::spawn([] {
                         std::array<int, 1'000> result{};
                         std::iota(result.begin(), result.end(), 0);
                         return result;
                       }).join();
    expect(large[999] == 999, "a result larger than a cell");
    struct alignas(64) aligned {
      int value;
    };
    const aligned over = csp::spawn([] { return aligned{9}; }).join();
    expect(over.value == 9, "an over-aligned result");
  });
}

TEST_CASE("spawn: callables of all kinds are run and destroyed once") {
  on_each_topology([](expectations& expect, unsigned) {
    expect(csp::spawn([owned = std::make_unique<int>(4)] { return *owned; }).join() == 4, "move-only callable");
    std::array<int, 500> numbers{};
    numbers[499] = 6;
    expect(csp::spawn([numbers] { return numbers[499]; }).join() == 6, "callable larger than a cell");
    std::atomic<int> ran{0};
    csp::wait_group all(3);
    csp::go([&, numbers] {
      ran += numbers[499];
      all.done();
    });
    csp::go([&, owned = std::make_unique<int>(1)] {
      ran += *owned;
      all.done();
    });
    csp::go([&, calls = 0]() mutable {
      ran += ++calls;
      all.done();
    });
    all.wait();
    expect(ran == 8, "detached callables");
    csp::spawn([one = tracked(), numbers] { static_cast<void>(numbers); }).join();
    csp::spawn([one = tracked()] {}).join();
    csp::spawn([one = tracked()] { return tracked(); }).join();
    {
      auto handle = csp::spawn([one = tracked()] {});
      csp::sleep_for(1ms);
      handle.join();
      // The callable goes with the task, not with the handle.
    }
  });
  CHECK(tracked::alive == 0);
}

TEST_CASE("join: exceptions are rethrown in the joiner, of any type, once") {
  on_each_topology([](expectations& expect, unsigned) {
    auto broken = csp::spawn([]() -> int { throw std::runtime_error("text"); });
    try {
      static_cast<void>(broken.join());
      expect(false, "join returned");
    } catch (const std::runtime_error& error) {
      expect(std::string(error.what()) == "text", "the exception's text");
    }
    expect(!broken.joinable(), "joined");
    try {
      csp::spawn([] { throw 7; }).join();
      expect(false, "join returned");
    } catch (int value) {
      expect(value == 7, "a thrown int");
    }
    expect(std::current_exception() == nullptr, "nothing is left");
  });
}

TEST_CASE("join: once only, not on nothing, and not by the task itself") {
  on_each_topology([](expectations& expect, unsigned) {
    const auto refused = [](auto& handle) {
      try {
        handle.join();
        return false;
      } catch (const std::logic_error&) {
        return true;
      }
    };
    auto handle = csp::spawn([] {});
    expect(handle.joinable(), "fresh");
    handle.join();
    expect(!handle.joinable() && refused(handle), "joined twice");
    csp::join_handle<int> nothing;
    expect(!nothing.joinable() && refused(nothing), "nothing to join");
    auto first = csp::spawn([] { return 1; });
    auto second = std::move(first);
    expect(!first.joinable() && second.joinable() && refused(first), "moved from");
    second = csp::spawn([] { return 2; });  // detaches the first one
    expect(second.join() == 2, "assigned");

    csp::chan<csp::join_handle<bool>> to_itself(1);
    csp::chan<bool> answer;
    auto self = csp::spawn([&] {
      auto mine = to_itself.recv();
      bool threw = false;
      try {
        static_cast<void>(mine->join());
      } catch (const std::logic_error&) {
        threw = true;
      }
      answer.send(threw);
      return true;
    });
    to_itself.send(std::move(self));
    expect(answer.recv() == true, "a task joins itself");
  });
}

TEST_CASE("join_handle: dropped or detached before and after the end, everything is destroyed") {
  on_each_topology([](expectations& expect, unsigned) {
    csp::chan<void> gate;
    csp::wait_group ended(60);
    for (int i = 0; i < 20; ++i) {
      {
        auto before = csp::spawn([&, one = tracked()] {
          static_cast<void>(gate.recv());
          ended.done();
          return tracked();
        });
        before.detach();
        expect(!before.joinable(), "detached");
      }
      static_cast<void>(csp::spawn([&, one = tracked()] {
        static_cast<void>(gate.recv());
        ended.done();
        return tracked();
      }));
      auto after = csp::spawn([&, one = tracked()]() -> tracked {
        ended.done();
        throw std::runtime_error("nobody will know");
      });
      csp::yield();
    }
    gate.close();
    ended.wait();
  });
  CHECK(tracked::alive == 0);
}

TEST_CASE("join: from plain threads, by many at once, before and after the end") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int count = 20;
    csp::chan<void> gate;
    std::vector<csp::join_handle<int>> handles;
    for (int i = 0; i < count; ++i) {
      handles.push_back(csp::spawn([=] {
        static_cast<void>(gate.recv());
        return i;
      }));
    }
    std::atomic<int> sum{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = t; i < count; i += 4) {
          sum += handles[static_cast<std::size_t>(i)].join();
        }
      });
    }
    gate.close();
    csp::blocking([&] {
      for (std::thread& thread : threads) {
        thread.join();
      }
    });
    expect(sum == count * (count - 1) / 2, "sum of the values");
    int outside = 0;
    std::thread spawner([&] { outside = csp::spawn([] { return 11; }).join(); });
    csp::blocking([&] { spawner.join(); });
    expect(outside == 11, "spawned and joined by a thread");
  });
}

TEST_CASE("join: a tree of tasks, deep and wide") {
  on_each_topology([](expectations& expect, unsigned) {
    struct tree {
      static int leaves(int depth) {
        if (depth == 0) {
          return 1;
        }
        auto left = csp::spawn([=] { return leaves(depth - 1); });
        auto right = csp::spawn([=] { return leaves(depth - 1); });
        return left.join() + right.join();
      }
    };
    expect(tree::leaves(9) == 512, "leaves");
  });
}

TEST_CASE("go: outside of csp::run it is refused, and the callable is destroyed") {
  CHECK_THROWS_AS(csp::go([one = tracked()] {}), std::logic_error);
  CHECK_THROWS_AS(csp::spawn([one = tracked()] {}), std::logic_error);
  CHECK(tracked::alive == 0);
}

TEST_CASE("go: a callable that throws when it is moved in leaves nothing behind") {
  struct fragile {
    fragile() = default;
    fragile(const fragile&) { throw std::runtime_error("copy"); }
    void operator()() const {}
  };
  on_each_topology([](expectations& expect, unsigned) {
    const fragile source;
    for (int i = 0; i < 100; ++i) {
      try {
        if (i % 2 == 0) {
          csp::go(source);
        } else {
          static_cast<void>(csp::spawn(source));
        }
        expect(false, "the copy did not throw");
      } catch (const std::runtime_error&) {
      }
    }
    expect(csp::tasks().size() == 1, "only the main task lives");
  });
}
