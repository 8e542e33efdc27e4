// libco_bench: the rows of csp_bench that Tencent's libco can run, with the same arguments and the same JSON lines.
//
// libco runs all coroutines on the calling thread, so --processors has to be 1, and nothing of it may be called by
// another thread. It has no channels, no select and no mutex. A coroutine runs at once where it is created and gives
// the thread back to whoever resumed it, so its users write the queue of those that only yielded: the loop here, which
// the event loop calls. Default stacks: 128 KiB each, none shared. A coroutine is created and released for each task:
// its users may keep some for later, the library does not. Its stacks are malloc's, which is told to keep what is
// freed; else it gives a stack back to the kernel when its task ends, and the next task touches every page anew. Its
// clock counts milliseconds and cuts off the rest, so sleeps are made one longer in order not to be short.
#include <malloc.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bench/harness.h"
#include "bench/rows.h"

#ifdef __clang__
#pragma clang diagnostic ignored "-Wkeyword-macro"
#endif
#define co_yield libco_yield  // libco's name for a function is C++20's keyword; nobody calls it here
#include <co_routine.h>
#undef co_yield

namespace bench {
namespace {

struct libco_peer {
  template <class F>
  static void run(const measurement& m, F fn) {
    if (m.processors() != 1) throw std::runtime_error("libco has one processor");
    bool done = false;
    go([&] {
      fn();
      done = true;
    });
    if (!turn(&done))
      co_eventloop(
          co_get_epoll_ct(), [](void* ended) { return turn(ended) ? -1 : 0; }, &done);
  }

  template <class F>
  static void go(F fn) {
    release_ended();
    stCoRoutine_t* created = nullptr;
    if (co_create(&created, nullptr, enter<F>, new F(std::move(fn))) != 0)
      throw std::runtime_error("libco does not create a coroutine");
    co_resume(created);
  }

  // Something that happens once, and the coroutines that wait until it has.
  class gate {
   public:
    gate() = default;
    ~gate() { co_cond_free(opened_); }
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;
    void wait() {
      if (!open_) co_cond_timedwait(opened_, -1);
    }
    void open(std::int64_t) {
      open_ = true;
      co_cond_broadcast(opened_);
    }

   private:
    bool open_ = false;
    stCoCond_t* opened_ = co_cond_alloc();
  };

  class group {
   public:
    explicit group(std::int64_t tasks) : left_(tasks) {}
    template <class F>
    void go(F fn) {
      libco_peer::go([this, fn = std::move(fn)]() mutable {
        fn();
        if (--left_ == 0) ended_.open(1);
      });
    }
    void wait() { ended_.wait(); }

   private:
    std::int64_t left_;
    gate ended_;
  };

  [[gnu::always_inline]] static void yield() {
    ready_.push_back(co_self());
    co_yield_ct();
  }
  static void sleep_for(std::chrono::nanoseconds length) {
    const auto enough = std::chrono::ceil<std::chrono::milliseconds>(length).count() + 1;
    co_poll(co_get_epoll_ct(), nullptr, 0, static_cast<int>(enough));
  }

 private:
  // A coroutine's body; takes the function over.
  template <class F>
  static void* enter(void* fn) {
    F* const taken = static_cast<F*>(fn);
    (*taken)();
    delete taken;
    ended_.push_back(co_self());
    return nullptr;
  }

  // Resumes whoever yielded until nobody has; sleepers wait meanwhile. Whether the bool at `done` is set.
  static bool turn(void* done) {
    while (!ready_.empty()) {
      stCoRoutine_t* const next = ready_.front();
      ready_.pop_front();
      co_resume(next);
    }
    release_ended();
    return *static_cast<bool*>(done);
  }

  static void release_ended() {
    for (stCoRoutine_t* co : ended_) co_release(co);
    ended_.clear();
  }

  inline static std::deque<stCoRoutine_t*> ready_;
  inline static std::vector<stCoRoutine_t*> ended_;  // whose stacks nobody needs any more
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_MMAP_THRESHOLD, 1024 * 1024);  // above a stack, so that those come from the heap
  return bench::main_program(argc, argv, "libco", bench::all_rows<bench::libco_peer>());
}
