// Stack sizes come in classes: the powers of two from 8 KiB to 8 MiB.
//
// The size of a class is address space: guard page, usable memory and the stack_block header together, so a class
// is a whole number of pages and a slab is cut without waste. Of the default 256 KiB a task can use 249 KiB or more.
//
// Pure functions: anybody may call them, from any thread.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace csp::inline v0::detail {

inline constexpr unsigned smallest_stack_shift = 13;  // 8 KiB: a guard page and one page of frames
inline constexpr unsigned largest_stack_shift = 23;   // 8 MiB: what a thread has by default
inline constexpr unsigned stack_class_count = largest_stack_shift - smallest_stack_shift + 1;
inline constexpr std::size_t smallest_stack = std::size_t{1} << smallest_stack_shift;
inline constexpr std::size_t largest_stack = std::size_t{1} << largest_stack_shift;
inline constexpr std::size_t builtin_stack_size = 256 * 1024;

// Address space of one stack of class `cls`, its guard page included.
constexpr std::size_t stack_class_size(unsigned cls) noexcept { return smallest_stack << cls; }

// How many stacks of a class one processor keeps at hand, and how many credits it fetches at once: 64, so that the
// arena's lock costs a spawn about a nanosecond, but at most 16 MiB of address space, which is two of the largest.
constexpr unsigned stack_batch(unsigned cls) noexcept {
  constexpr unsigned smallest_in_16_mib = 1u << (24 - smallest_stack_shift);
  return std::min(64u, smallest_in_16_mib >> cls);
}
static_assert(stack_batch(stack_class_count - 1) == 2, "a pool spills half of it");
inline constexpr unsigned largest_stack_batch = stack_batch(0);

// Stands for a stack of the user's memory (stack_custom.h). Its batch is 0: no pool keeps any.
inline constexpr unsigned custom_stack_class = 12;
// Stands for a stack whose memory may go while its task waits (hibernation.h); else like a custom one.
inline constexpr unsigned hibernating_stack_class = 13;
static_assert(custom_stack_class > stack_class_count && stack_batch(custom_stack_class) == 0);
static_assert(hibernating_stack_class > custom_stack_class && stack_batch(hibernating_stack_class) == 0);

inline std::size_t memory_page_size() noexcept {
  static const std::size_t size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

// From one stack of a slab to the next. A page more than the size, which is a power of two: else the tops of all
// stacks, the only page that most tasks touch, would lie in a few sets of the TLB, and a thousand tasks that take turns
// would walk the page tables at each switch (docs/decisions/stacks.md). Nobody uses that page. Not in the
// smallest class: every second page is a top there, and one page more would be half as much address space again.
inline std::size_t stack_class_stride(unsigned cls) noexcept {
  return stack_class_size(cls) + (cls == 0 ? 0 : memory_page_size());
}

// The smallest class of at least `bytes`, and of at least two pages (pages may be 64 KiB on aarch64). Nothing if
// `bytes` is above 8 MiB.
inline std::optional<unsigned> stack_class_for(std::size_t bytes) noexcept {
  if (bytes > largest_stack) return std::nullopt;
  const std::size_t wanted = std::bit_ceil(std::max({bytes, smallest_stack, 2 * memory_page_size()}));
  return static_cast<unsigned>(std::countr_zero(wanted)) - smallest_stack_shift;
}

// Reads "65536", "64k", "64K", "1m" or "1M"; from 8k to 8M. Throws std::invalid_argument that names `source`.
inline std::size_t parse_stack_size(std::string_view text, std::string_view source = "CSP_STACK") {
  const auto refuse = [&] {
    throw std::invalid_argument(std::string(source) + "=\"" + std::string(text) +
                                "\" is not a stack size: give a number of bytes, or one with k or M behind it, "
                                "from 8k to 8M");
  };
  std::string_view digits = text;
  unsigned shift = 0;
  if (digits.ends_with('k') || digits.ends_with('K')) shift = 10;
  if (digits.ends_with('m') || digits.ends_with('M')) shift = 20;
  if (shift != 0) digits.remove_suffix(1);
  if (digits.empty()) refuse();
  std::size_t value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9' || value > largest_stack) refuse();  // above the largest there is no way back
    value = value * 10 + static_cast<std::size_t>(digit - '0');
  }
  if (value > (largest_stack >> shift) || (value << shift) < smallest_stack) refuse();
  return value << shift;
}

// The stack size of tasks that ask for none: CSP_STACK, or 256 KiB when that is unset or empty. Reads the environment
// at every call; the caller decides when that is and keeps the answer. Throws std::invalid_argument for a bad value.
inline std::size_t default_stack_size() {
  const char* text = std::getenv("CSP_STACK");
  return text == nullptr || *text == '\0' ? builtin_stack_size : parse_stack_size(text);
}

}  // namespace csp::inline v0::detail
