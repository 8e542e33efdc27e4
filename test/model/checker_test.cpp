// The checker itself: what the C11 model allows must be seen, and nothing else (litmus tests of the literature).
#include "sched/base/asymmetric_fence.h"
#include "sched/base/futex.h"

#include "test/model/model.h"
#include "test/support/catch.h"

#include <set>
#include <vector>

namespace {

using csp::detail::asymmetric_fence;
using csp::detail::atomic;
using csp::detail::full_fence;

constexpr auto relaxed = std::memory_order_relaxed;
constexpr auto acquire = std::memory_order_acquire;
constexpr auto release = std::memory_order_release;
constexpr auto seq_cst = std::memory_order_seq_cst;

std::set<std::vector<int>> seen;

// What all executions of a scenario read.
template <class S>
std::set<std::vector<int>> results(const char* name) {
  seen.clear();
  CHECK(model::passes<S>(name));
  return seen;
}

using all = std::set<std::vector<int>>;

struct two_variables {
  atomic<int> x{0};
  atomic<int> y{0};
  int a = 0;
  int b = 0;
  int c = 0;
  int d = 0;
};

enum class between { nothing, full, light_heavy, light_light };

template <between Fence>
struct store_buffering : two_variables {
  static constexpr unsigned threads = 2;
  static void fence(unsigned thread) {
    if constexpr (Fence == between::full) {
      full_fence();
    } else if constexpr (Fence != between::nothing) {
      thread == 0 || Fence == between::light_light ? asymmetric_fence::light() : asymmetric_fence::heavy();
    }
  }
  void run(unsigned thread) {
    if (thread == 0) {
      x.store(1, relaxed);
      fence(thread);
      a = y.load(relaxed);
    } else {
      y.store(1, relaxed);
      fence(thread);
      b = x.load(relaxed);
    }
  }
  void finish() { seen.insert({a, b}); }
};

struct store_buffering_seq_cst : two_variables {
  static constexpr unsigned threads = 2;
  void run(unsigned thread) {
    if (thread == 0) {
      x.store(1, seq_cst);
      a = y.load(seq_cst);
    } else {
      y.store(1, seq_cst);
      b = x.load(seq_cst);
    }
  }
  void finish() { seen.insert({a, b}); }
};

template <std::memory_order Store, std::memory_order Load>
struct message_passing : two_variables {
  static constexpr unsigned threads = 2;
  void run(unsigned thread) {
    if (thread == 0) {
      x.store(1, relaxed);
      y.store(1, Store);
    } else {
      a = y.load(Load);
      b = x.load(relaxed);
    }
  }
  void finish() { seen.insert({a, b}); }
};

// The message goes through a relaxed read-modify-write of a third thread.
struct release_sequence : two_variables {
  static constexpr unsigned threads = 3;
  void run(unsigned thread) {
    if (thread == 0) {
      x.store(1, relaxed);
      y.store(1, release);
    } else if (thread == 1) {
      y.fetch_add(1, relaxed);
    } else {
      a = y.load(acquire);
      b = x.load(relaxed);
    }
  }
  void finish() {
    if (a == 2) {
      seen.insert({a, b});
    }
  }
};

template <std::memory_order Order>
struct independent_reads : two_variables {
  static constexpr unsigned threads = 4;
  void run(unsigned thread) {
    if (thread == 0) {
      x.store(1, Order == seq_cst ? seq_cst : release);
    } else if (thread == 1) {
      y.store(1, Order == seq_cst ? seq_cst : release);
    } else if (thread == 2) {
      a = x.load(Order);
      b = y.load(Order);
    } else {
      c = y.load(Order);
      d = x.load(Order);
    }
  }
  void finish() { seen.insert({a, b, c, d}); }
};

struct coherence : two_variables {
  static constexpr unsigned threads = 2;
  void run(unsigned thread) {
    if (thread == 0) {
      x.store(1, relaxed);
      x.store(2, relaxed);
    } else {
      a = x.load(relaxed);
      b = x.load(relaxed);
    }
  }
  void finish() { seen.insert({a, b}); }
};

// Three threads that add to one counter: 3! orders, and no more.
struct counting : two_variables {
  static constexpr unsigned threads = 3;
  void run(unsigned thread) { (&a)[thread == 0 ? 0 : 1] += x.fetch_add(static_cast<int>(thread) + 1, relaxed); }
  void finish() {
    model::check(x.load(relaxed) == 6, "an addition is lost");
    seen.insert({a, b});
  }
};

template <std::memory_order Store>
struct racing {
  static constexpr unsigned threads = 2;
  model::plain<int> payload;
  atomic<int> ready{0};
  void run(unsigned thread) {
    if (thread == 0) {
      payload.set(1);
      ready.store(1, Store);
    } else if (ready.load(acquire) == 1) {
      model::check(payload.get() == 1, "an old payload");
    }
  }
  void finish() {}
};

struct never_woken {
  static constexpr unsigned threads = 1;
  atomic<std::uint32_t> word{0};
  void run(unsigned) { csp::detail::futex_wait_until(word, 0, csp::detail::never); }
  void finish() {}
};

struct spinning {
  static constexpr unsigned threads = 2;
  atomic<int> flag{0};
  void run(unsigned thread) {
    if (thread == 0) {
      flag.store(1, relaxed);
      flag.store(2, relaxed);
    } else {
      while (flag.load(relaxed) != 2) {
        csp::detail::yield_thread();
      }
    }
  }
  void finish() {}
};

}  // namespace

TEST_CASE("checker: store buffering needs a full fence on both sides") {
  CHECK(results<store_buffering<between::nothing>>("store buffering") == all{{0, 0}, {0, 1}, {1, 0}, {1, 1}});
  CHECK(results<store_buffering<between::full>>("store buffering, fences") == all{{0, 1}, {1, 0}, {1, 1}});
  CHECK(results<store_buffering_seq_cst>("store buffering, seq_cst") == all{{0, 1}, {1, 0}, {1, 1}});
}

TEST_CASE("checker: a light fence pairs with a heavy one and not with another light one") {
  CHECK(results<store_buffering<between::light_heavy>>("light and heavy") == all{{0, 1}, {1, 0}, {1, 1}});
  CHECK(results<store_buffering<between::light_light>>("light and light").count({0, 0}) == 1);
}

TEST_CASE("checker: message passing needs release and acquire") {
  CHECK(results<message_passing<release, acquire>>("message passing") == all{{0, 0}, {0, 1}, {1, 1}});
  CHECK(results<message_passing<relaxed, acquire>>("message passing, relaxed store").count({1, 0}) == 1);
  CHECK(results<message_passing<release, relaxed>>("message passing, relaxed load").count({1, 0}) == 1);
  CHECK(results<release_sequence>("release sequence") == all{{2, 1}});
}

TEST_CASE("checker: two readers may disagree on the order of two writers, but not with seq_cst") {
  CHECK(results<independent_reads<acquire>>("independent reads").count({1, 0, 1, 0}) == 1);
  const all ordered = results<independent_reads<seq_cst>>("independent reads, seq_cst");
  CHECK(ordered.count({1, 0, 1, 0}) == 0);
  CHECK(ordered.size() == 15);
}

TEST_CASE("checker: one variable is read in its order, and counted exactly") {
  CHECK(results<coherence>("coherence") == all{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {2, 2}});
  CHECK(results<counting>("counting").size() >= 4);
}

TEST_CASE("checker: a race on plain memory, a deadlock and a spin that ends are told apart") {
  CHECK(model::passes<racing<release>>("payload"));
  CHECK_FALSE(model::passes<racing<relaxed>>("payload, relaxed: must fail"));
  CHECK_FALSE(model::passes<never_woken>("a sleeper whom nobody wakes: must fail"));
  CHECK(model::passes<spinning>("spinning"));
}
