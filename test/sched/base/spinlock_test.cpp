// The spinlock: exclusion, waiting without burning the processor, and that unlocking touches nothing afterwards.
#include "sched/base/spinlock.h"

#include "test/support/topologies.h"

#include <ctime>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

using csp::detail::lock_rank;
using csp::detail::spinlock;
using csp::detail::spinlock_guard;

namespace {

std::chrono::nanoseconds thread_cpu_time() {
  timespec used{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

}  // namespace

TEST_CASE("spinlock: more threads than processors exclude each other") {
  constexpr int threads = 6;
  const auto rounds = static_cast<long>(csp_test::scaled(60'000));
  spinlock lock(lock_rank::queue);
  long counter = 0;
  std::atomic<int> errno_kept{0};
  std::vector<std::thread> all;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&] {
      errno = 4711;
      for (long round = 0; round < rounds; ++round) {
        const spinlock_guard guard(lock);
        const long seen = counter;
        if (round % 64 == 0) {
          std::this_thread::yield();  // a holder that lost its processor
        }
        counter = seen + 1;
      }
      errno_kept += errno == 4711 ? 1 : 0;
    });
  }
  for (std::thread& thread : all) {
    thread.join();
  }
  CHECK(counter == threads * rounds);
  CHECK(errno_kept == threads);  // it belongs to the task that waits
}

TEST_CASE("spinlock: try_lock takes only a free lock") {
  spinlock lock(lock_rank::queue);
  REQUIRE(lock.try_lock());
  bool second = true;
  std::thread([&] { second = lock.try_lock(); }).join();
  CHECK_FALSE(second);
  lock.unlock();
  REQUIRE(lock.try_lock());
  lock.unlock();
}

TEST_CASE("spinlock: a waiter sleeps while the holder is away") {
  constexpr auto held = std::chrono::milliseconds(200);
  spinlock lock(lock_rank::queue);
  std::atomic<bool> started{false};
  std::chrono::nanoseconds used{0};
  lock.lock();
  std::thread waiter([&] {
    const auto before = thread_cpu_time();
    started.store(true);
    lock.lock();
    used = thread_cpu_time() - before;
    lock.unlock();
  });
  while (!started.load()) {
    std::this_thread::yield();
  }
  std::this_thread::sleep_for(held);
  lock.unlock();
  waiter.join();
  CHECK(used < held / 2);
}

TEST_CASE("spinlock: its memory may go as soon as it was seen unlocked") {
  struct object {
    spinlock lock{lock_rank::queue};
    bool done = false;
  };
  const std::size_t rounds = csp_test::scaled(20'000);
  std::atomic<object*> handed{nullptr};
  std::thread setter([&] {
    for (std::size_t i = 0; i < rounds; ++i) {
      object* target = nullptr;
      while ((target = handed.exchange(nullptr)) == nullptr) {
        csp::detail::cpu_relax();
      }
      target->lock.lock();
      target->done = true;
      target->lock.unlock();
    }
  });
  std::size_t destroyed = 0;
  for (std::size_t i = 0; i < rounds; ++i) {
    auto fresh = std::make_unique<object>();
    handed.store(fresh.get());
    for (bool done = false; !done;) {
      const spinlock_guard guard(fresh->lock);
      done = fresh->done;
    }
    fresh.reset();
    ++destroyed;
  }
  setter.join();
  CHECK(destroyed == rounds);
}
