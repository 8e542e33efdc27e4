// No operation allocates: sends, receives, selects, closes and timeouts never, spawning and finishing tasks on warm
// pools not either.
#include "test/conformance/crew.h"
#include "test/support/heap.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>

namespace {

namespace heap = csp_test::heap;
using namespace std::chrono_literals;
using csp::chan;
using csp::op_status;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;

// The least that a run of `work` allocates, of several: on many processors tasks end elsewhere than they were made, and
// it takes some runs until the pools of all are warm. What allocates each time allocates in every run.
template <class Work>
std::size_t allocations_when_warm(Work&& work) {
  std::size_t least = static_cast<std::size_t>(-1);
  for (int run = 0; run < 10; ++run) {
    const std::size_t before = heap::made();
    work();
    least = std::min(least, heap::made() - before);
  }
  return least;
}

// Two members in lockstep: each has done `round(side)` once, and waited for the other, before the count begins, so that
// a thread's first wait is over.
void both_sides(expectations& expect, crew& people, const std::function<void(int side)>& round) {
  std::atomic<int> arrived{0};
  const auto meet = [&arrived](int wanted) {
    ++arrived;
    while (arrived < wanted) {
      csp::yield();
    }
  };
  std::atomic<std::size_t> before{0};
  for (int side = 0; side < 2; ++side) {
    people.add([&, side] {
      round(side);
      meet(2);
      if (side == 0) {
        before = heap::made();
      }
      meet(4);
      round(side);
      meet(6);
      if (side == 0) {
        expect(heap::made() == before, "nothing was allocated");
      }
      meet(8);
    });
  }
  people.join();
}

}  // namespace

TEST_CASE("allocation: the counter sees what is allocated") {
  const std::size_t before = heap::made();
  const chan<int> channel(4);
  CHECK(heap::made() >= before + 2);  // the channel and its buffer
  struct alignas(64) line {};
  const auto aligned = std::make_unique<line>();
  CHECK(aligned != nullptr);
  CHECK(heap::made() >= before + 3);
}

TEST_CASE("allocation: send and receive, waiting on either side, allocate nothing") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 3U}) {
      const chan<int> channel(capacity);
      both_sides(expect, people, [&](int side) {
        int value = 0;
        for (int i = 0; i < 100; ++i) {
          if (side == 0) {
            channel.send(i);
            channel << i;
            static_cast<void>(channel.send_for(i, 1h));
          } else {
            static_cast<void>(channel.recv());
            channel >> value;
            static_cast<void>(channel.recv_for(value, 1h));
          }
        }
      });
    }
  });
}

TEST_CASE("allocation: select allocates nothing, whether it waits or not") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> a;
    const chan<int> b;
    const chan<int> quiet;
    both_sides(expect, people, [&](int side) {
      using csp::on_recv;
      using csp::on_send;
      for (int i = 0; i < 100; ++i) {
        if (side == 0) {
          csp::select(on_send(a, i), on_recv(quiet), on_send(b, i), csp::on_timeout(1h));
        } else {
          csp::select(on_recv(b), on_recv(quiet), on_recv(a), csp::on_timeout(1h));
        }
        csp::select(on_recv(quiet), csp::otherwise());
      }
    });
  });
}

TEST_CASE("allocation: timeouts and sleeps allocate nothing") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> quiet;
    both_sides(expect, people, [&](int) {
      for (int i = 0; i < 5; ++i) {
        static_cast<void>(quiet.recv_for(50us));
        csp::select(csp::on_recv(quiet), csp::on_timeout(50us));
        csp::sleep_for(50us);
        static_cast<void>(quiet.try_recv());
      }
    });
  });
}

TEST_CASE("allocation: a callback allocates nothing, once its waiting half is there") {
  on_each_cast([](expectations& expect, crew& people) {
    const csp::callback_channel<int> values(4);
    const csp::callback<int> call = values.callback();
    both_sides(expect, people, [&](int side) {
      for (int i = 0; i < 100; ++i) {
        if (side == 1) {
          static_cast<void>(values.recv());
          continue;
        }
        const csp::callback<int> copy(call);
        void* const context = values.callback().release();
        while (csp::callback<int>::borrow(context)(i) == op_status::would_block) csp::yield();
        static_cast<void>(csp::callback<int>::adopt(context));
      }
    });
  });
  csp::one_shot<int> answer;
  const csp::callback<int> done = answer.callback();
  const std::size_t before = heap::made();
  CHECK(done(1) == op_status::ok);
  CHECK(done(2) == op_status::closed);
  CHECK(answer.wait() == 1);
  CHECK(heap::made() == before);
}

TEST_CASE("allocation: close wakes many without allocating") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    constexpr std::size_t many = 50;
    const std::size_t counted = allocations_when_warm([&] {
      const chan<int> channel;
      csp::wait_group group;
      for (std::size_t i = 0; i < many; ++i) {
        group.go([&channel] { static_cast<void>(channel.recv()); });
      }
      csp_test::await([&] { return csp_test::waiting_to_receive(channel) == many; });
      channel.close();
      group.wait();
    });
    expect(counted == 1, "one channel, and nothing else");
  });
}

TEST_CASE("allocation: spawn and finish of detached tasks allocate nothing on warm pools") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    const std::size_t counted = allocations_when_warm([] {
      csp::wait_group group;
      std::atomic<std::size_t> sum{0};
      for (std::size_t i = 0; i < 200; ++i) {
        group.add();
        csp::go([&sum, &group, i] {
          sum += i;
          group.done();
        });
        csp::go({.name = "named"}, [] {});
      }
      group.wait();
      csp_test::await([] { return csp::scheduler_statistics().finished + 1 >= csp::scheduler_statistics().spawned; });
    });
    expect(counted == 0, "nothing");
  });
}

TEST_CASE("allocation: spawn, finish and join of joinable tasks allocate nothing on warm pools") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    const std::size_t counted = allocations_when_warm([&] {
      std::array<csp::join_handle<std::size_t>, 100> handles;
      for (std::size_t i = 0; i < handles.size(); ++i) {
        handles[i] = csp::spawn([i] {
          csp::yield();
          return i;
        });
      }
      std::size_t sum = 0;
      for (auto& handle : handles) {
        sum += handle.join();
      }
      expect(sum == 4950, "the results");
      auto dropped = csp::spawn([] { return 1; });
      dropped.detach();
    });
    expect(counted == 0, "nothing");
  });
}
