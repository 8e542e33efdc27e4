// csp_bench: the rows of libcsp, the bare switch and the bare wake (harness.h has the arguments, rows.h the rows).
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <boost/context/detail/fcontext.hpp>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include "bench/libcsp_peer.h"
#include "bench/rows.h"
#include "bench/rows_stacks.h"

namespace bench {
namespace {

namespace fcontext = boost::context::detail;

// The other side of raw_switch: counts the jumps that reach it.
[[noreturn]] void count_jumps(fcontext::transfer_t from) {
  auto& count = *static_cast<std::int64_t*>(from.data);
  for (;;) {
    ++count;
    from = fcontext::jump_fcontext(from.fctx, nullptr);
  }
}

// Boost's fcontext jump to and fro without any scheduler: the floor of who uses it. An op is one jump.
void raw_switch(measurement& m) {
  constexpr std::size_t stack_size = 64 * 1024;  // count_jumps needs a few hundred bytes
  std::vector<std::max_align_t> stack(stack_size / sizeof(std::max_align_t));
  const std::int64_t pairs = m.scaled(50'000'000);
  std::int64_t count = 0;
  fcontext::fcontext_t other = fcontext::make_fcontext(stack.data() + stack.size(), stack_size, count_jumps);
  m.start();
  for (std::int64_t i = 0; i < pairs; ++i) other = fcontext::jump_fcontext(other, &count).fctx;
  m.stop(2 * pairs);
  m.expect("jumps", count, pairs);
}

void futex(std::atomic<std::int32_t>& word, int operation, std::int32_t value) {
  syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

// The floor of submit: a plain thread wakes another one by futex every millisecond; how long until that runs. An op is
// one wake.
void raw_wake(measurement& m) {
  const auto wakes = static_cast<std::int32_t>(m.scaled(1000));
  std::vector<std::int64_t> latency(static_cast<std::size_t>(wakes));
  std::atomic<std::int32_t> word{0};
  std::int64_t begin = 0;
  m.start();
  std::thread sleeper([&] {
    std::int32_t seen = 0;
    for (std::int64_t& slot : latency) {
      while (word == seen) futex(word, FUTEX_WAIT_PRIVATE, seen);
      slot = now_ns() - begin;
      ++seen;
    }
  });
  for (std::int32_t i = 1; i <= wakes; ++i) {
    std::this_thread::sleep_for(pause_length);
    begin = now_ns();
    word = i;
    futex(word, FUTEX_WAKE_PRIVATE, 1);
  }
  sleeper.join();
  m.stop(wakes);
  m.note_lateness(latency, "us", std::chrono::microseconds(1));
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  std::vector<bench::row> rows = bench::all_rows<bench::libcsp_peer>();
  rows.insert(rows.begin(), {{"raw_switch", 1, bench::raw_switch}, {"raw_wake", 1, bench::raw_wake}});
  const std::vector<bench::row> stacks = bench::stack_rows();
  rows.insert(rows.end(), stacks.begin(), stacks.end());
  return bench::main_program(argc, argv, "libcsp", rows);
}
