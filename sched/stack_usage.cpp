#include "sched/stack_usage.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "sched/base/sanitizer.h"

namespace csp::inline v0::detail {
namespace {

// A chosen class is not smaller than this: a handler without SA_ONSTACK takes about 11 KiB with all vector state.
constexpr std::size_t smallest_choice = 16 * 1024;
// What a stack spends on its header and colour, rounded up.
constexpr std::size_t overhead = 2 * 1024 + sizeof(stack_block);
// Pages that one question to the kernel covers: the whole of a default stack, and 64 bytes for the answer.
constexpr std::size_t pages_asked = 64;

// The page that the top of the stack lies in: it holds the header, so it is cleared by hand.
std::byte* top_page(const stack_block& block) noexcept {
  const auto top = reinterpret_cast<std::uintptr_t>(block.usable_top) - 1;
  return std::max(block.usable_bottom(), reinterpret_cast<std::byte*>(top / memory_page_size() * memory_page_size()));
}

std::size_t depth_from(const stack_block& block, const std::byte* page) noexcept {
  const auto* const top = static_cast<const std::byte*>(block.usable_top);
  const std::byte* const lowest = std::find_if(page, top, [](std::byte value) { return value != std::byte{0}; });
  return static_cast<std::size_t>(top - lowest);
}

}  // namespace

bool prepare_stack_measurement(const stack_block& block) noexcept {
  // A measured stack is written by who binds it and read by who leaves it, neither of which is its task.
  if (sanitizer::thread_sanitizer || block.class_index >= stack_class_count) return false;
  std::byte* const bottom = block.usable_bottom();
  std::byte* const top = top_page(block);
  const int saved_errno = errno;
  const bool dropped = top == bottom || ::madvise(bottom, static_cast<std::size_t>(top - bottom), MADV_DONTNEED) == 0;
  errno = saved_errno;
  if (dropped) std::memset(top, 0, static_cast<std::size_t>(static_cast<std::byte*>(block.usable_top) - top));
  return dropped;
}

std::size_t measure_stack(const stack_block& block) noexcept {
  sanitizer::unpoison(block.usable_bottom(), block.usable_size());  // frames that never returned have left marks
  const std::size_t page = memory_page_size();
  std::byte* const end = top_page(block);
  const int saved_errno = errno;
  for (std::byte* at = block.usable_bottom(); at < end; at += pages_asked * page) {
    unsigned char resident[pages_asked] = {};
    const std::size_t bytes = std::min(static_cast<std::size_t>(end - at), pages_asked * page);
    if (::mincore(at, bytes, resident) != 0) break;
    for (std::size_t i = 0; i * page < bytes; ++i) {
      if ((resident[i] & 1) != 0) {
        errno = saved_errno;
        return depth_from(block, at + i * page);
      }
    }
  }
  errno = saved_errno;
  return depth_from(block, end);
}

stack_usage_table& stack_usage_table::instance() noexcept {
  static constinit stack_usage_table table;
  return table;
}

std::size_t stack_usage_table::first_place(const char* file, unsigned line) noexcept {
  // Names of files are literals: their addresses tell them apart. The constant is the golden ratio of 64 bits.
  const std::uint64_t key = reinterpret_cast<std::uintptr_t>(file) + line;
  return static_cast<std::size_t>(key * 0x9E3779B97F4A7C15ull >> 32) % most_sites;
}

const stack_usage_table::entry* stack_usage_table::locate(const char* file, unsigned line) const noexcept {
  const std::size_t first = first_place(file, line);
  for (std::size_t i = 0; i < most_sites; ++i) {
    const entry& each = entries_[(first + i) % most_sites];
    // acquire: pairs with the release in record(); its line is there.
    const char* const found = each.file.load(std::memory_order_acquire);
    if (found == nullptr || (found == file && each.line.get() == line)) return &each;
  }
  return nullptr;
}

void stack_usage_table::record(const char* file, const char* function, unsigned line, std::size_t depth) noexcept {
  const spinlock_guard guard(lock_);
  entry* const own = const_cast<entry*>(locate(file, line));
  if (own == nullptr) return;
  own->samples.add(1);
  own->deepest.set(std::max(own->deepest.get(), depth));
  if (own->file.load(std::memory_order_relaxed) == nullptr) {
    own->function.set(function);
    own->line.set(line);
    own->file.store(file, std::memory_order_release);  // pairs with locate() and for_each()
  }
}

stack_usage stack_usage_table::find(const char* file, unsigned line) const noexcept {
  const entry* const own = locate(file, line);
  return own == nullptr || own->file.load(std::memory_order_acquire) == nullptr ? stack_usage{} : own->snapshot();
}

unsigned stack_usage_table::choose_class(const char* file, unsigned line, unsigned fallback) const noexcept {
  const stack_usage known = find(file, line);
  if (known.samples < samples_for_choice) return fallback;
  const std::size_t wanted = std::max(2 * known.deepest + overhead + memory_page_size(), smallest_choice);
  return std::min(stack_class_for(wanted).value_or(fallback), fallback);
}

}  // namespace csp::inline v0::detail
