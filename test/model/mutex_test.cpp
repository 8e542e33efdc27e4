// csp::mutex: one at a time, what the last owner wrote is seen, no waiter is forgotten, and its memory may die after
// the last unlock. By plain threads: the mutex treats tasks alike, but for how they wait (waiter_test.cpp).
#include <libcsp/mutex.h>

#include "test/model/model.h"
#include "test/model/runtime.h"
#include "test/support/catch.h"

#include <array>

namespace csp::inline v0::detail {

// Who is on which processor: nobody is on any.
processor* weigh_contention(std::uint32_t) noexcept { return nullptr; }
void note_wait_for_rival(std::uint32_t) noexcept {}
void processor::move_to(processor&) noexcept {}

}  // namespace csp::inline v0::detail

namespace {

using csp::detail::thread_block;

// A thread for each of the numbers, which says how often it comes.
template <unsigned... Rounds>
struct counter {
  static constexpr unsigned threads = sizeof...(Rounds);
  std::array<thread_block, threads> blocks;
  csp::mutex lock;
  model::plain<unsigned> count;

  void run(unsigned thread) {
    blocks[thread].adopt();
    model::use_thread_block(blocks[thread]);
    const std::array rounds{Rounds...};
    for (unsigned i = 0; i < rounds[thread]; ++i) {
      lock.lock();
      count.set(count.get() + 1);
      lock.unlock();
    }
  }
  void finish() { model::check(count.get() == (Rounds + ...), "a turn is lost"); }
};

// The first one does not wait.
struct trying {
  static constexpr unsigned threads = 2;
  std::array<thread_block, threads> blocks;
  csp::mutex lock;
  model::plain<unsigned> count;
  unsigned turns = 0;

  void run(unsigned thread) {
    model::use_thread_block(blocks[thread]);
    if (thread == 0 && !lock.try_lock()) {
      return;
    }
    if (thread != 0) {
      lock.lock();
    }
    ++turns;
    count.set(count.get() + 1);
    lock.unlock();
  }
  void finish() { model::check(count.get() == turns && turns >= 1, "a turn is lost"); }
};

// The mutex dies as soon as the other side knows that it was unlocked.
struct last_unlock {
  static constexpr unsigned threads = 2;
  struct mortal {
    csp::mutex lock;
    bool done = false;  // guarded by lock
  };
  std::array<thread_block, threads> blocks;
  alignas(mortal) std::byte place[sizeof(mortal)];
  mortal* object = ::new (static_cast<void*>(place)) mortal;

  void run(unsigned thread) {
    model::use_thread_block(blocks[thread]);
    object->lock.lock();
    const bool last = object->done;
    object->done = true;
    object->lock.unlock();
    if (last) {
      object->~mortal();
    }
  }
  void finish() {}
};

}  // namespace

TEST_CASE("mutex: one owner at a time, and no waiter is forgotten") {
  CHECK(model::passes<counter<1, 1>>("mutex: two threads"));
  CHECK(model::passes<counter<2, 1>>("mutex: two threads, the one twice"));
  CHECK(model::passes<trying>("mutex: tried, not waited for"));
  CHECK(model::passes<last_unlock>("mutex: its memory dies after the last unlock"));
}

TEST_CASE("mutex: mutants are caught") {
  using model::mistake;
  constexpr const char* header = "libcsp/mutex.h";
  constexpr const char* source = "libcsp/mutex.cpp";
  CHECK(model::catches<counter<1, 1>>("mutex", {header, "if (!word_.compare_exchange_strong(nowhere", mistake::relax}));
  CHECK(model::catches<counter<1, 1>>("mutex", {header, "if (!word_.compare_exchange_strong(nowhere", mistake::tear}));
  CHECK(model::catches<counter<1, 1>>("mutex",
                                      {header, "word_.store(free, std::memory_order_release);", mistake::relax}));
  CHECK(model::catches<counter<1, 1>>("mutex", {header, "detail::asymmetric_fence::light();", mistake::relax}));
  CHECK(model::catches<counter<1, 1>>("mutex", {source, "detail::asymmetric_fence::heavy();", mistake::relax}));
  CHECK(model::catches<counter<2, 1>>("mutex",
                                      {source, "word_.store(next, std::memory_order_release);", mistake::relax}));
}
