// Readiness of a descriptor: nobody sleeps over data, with one waiter, with two in line, and with a deadline. The data
// is the kernel's: the poller that signals an edge has seen it.
#include "netio/readiness.h"

#include "test/model/model.h"
#include "test/model/runtime.h"
#include "test/support/catch.h"

#include <array>

namespace {

using namespace csp::detail;

// Readers take one portion each, by the loop that io.h has; the poller brings all of them with one edge, or with an
// edge each.
template <unsigned Readers, unsigned Edges>
struct reading {
  static constexpr unsigned threads = Readers + 1;
  std::array<model::lone_task, Readers> tasks;
  readiness side;
  atomic<std::uint32_t> portions{0};

  bool try_read() {
    std::uint32_t left = portions.load(std::memory_order_relaxed);
    while (left != 0) {
      if (portions.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  void run(unsigned thread) {
    if (thread == Readers) {
      for (unsigned i = 0; i < Edges; ++i) {
        portions.fetch_add(Readers / Edges, std::memory_order_relaxed);
        side.signal();
      }
      return;
    }
    tasks[thread].enter();
    for (bool waited = false;; waited = true) {
      const std::uint32_t before = side.edges();
      if (try_read()) {
        if (waited) {
          side.pass_on();
        }
        return;
      }
      model::check(side.wait(before, wait_kind::readable, never) == io_wait::ready, "woken for another reason");
    }
  }

  void finish() { model::check(portions.load() == 0, "a portion is left"); }
};

// The descriptor goes while a reader waits.
struct evicted {
  static constexpr unsigned threads = 2;
  model::lone_task reader;
  readiness side;
  atomic<bool> closed{false};

  void run(unsigned thread) {
    if (thread == 1) {
      closed.store(true, std::memory_order_relaxed);
      side.evict(true);
      return;
    }
    reader.enter();
    const std::uint32_t before = side.edges();
    if (closed.load(std::memory_order_relaxed)) {
      return;
    }
    const io_wait got = side.wait(before, wait_kind::readable, never);
    model::check(got == io_wait::closed || got == io_wait::ready, "woken for another reason");
    model::check(closed.load(std::memory_order_relaxed), "told too early");
  }
  void finish() {}
};

using one = reading<1, 1>;
using two = reading<2, 1>;

}  // namespace

TEST_CASE("readiness: nobody sleeps over data") {
  CHECK(model::passes<one>("readiness: one reader"));
  CHECK(model::passes<two>("readiness: two readers, one edge"));
  CHECK(model::passes<evicted>("readiness: evicted"));
}

TEST_CASE("readiness: mutants are caught") {
  using model::mistake;
  constexpr const char* header = "netio/readiness.h";
  constexpr const char* source = "netio/readiness.cpp";
  constexpr const char* edge = "edges_.store(edges_.load(std::memory_order_relaxed) + 1, std::memory_order_release);";
  CHECK(model::catches<one>("readiness", {header, "return edges_.load(std::memory_order_acquire);", mistake::relax}));
  CHECK(model::catches<one>("readiness", {source, edge, mistake::relax, 1}));
  CHECK(model::catches<one>("readiness", {source, edge, mistake::omit, 1}));
}
