#include "sched/hibernation.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

#include "sched/base/fatal.h"
#include "sched/base/futex.h"
#include "sched/base/sanitizer.h"
#include "sched/page_trap.h"
#include "sched/stack_block.h"
#include "sched/stack_guard.h"
#include "sched/task.h"

namespace csp::inline v0::detail {
namespace {

/// Pages that are put together for page_trap::fill(): in no thread's stack, since that may be a small one, nor a
/// thread-local, since a signal handler uses them.
class page_buffers {
 public:
  [[nodiscard]] static page_buffers& instance() noexcept {
    static page_buffers only;
    return only;
  }
  [[nodiscard]] bool made() const noexcept { return memory_ != nullptr; }

  [[nodiscard]] std::byte* take() noexcept {
    for (;;) {
      std::uint64_t free = free_.load(std::memory_order_relaxed);
      while (free != 0) {
        // acquire: pairs with the release in give(); the last user has done with the page.
        if (free_.compare_exchange_weak(free, free & (free - 1), std::memory_order_acquire,
                                        std::memory_order_relaxed)) {
          return memory_ + static_cast<std::size_t>(std::countr_zero(free)) * memory_page_size();
        }
      }
      yield_thread();
    }
  }
  void give(const std::byte* page) noexcept {
    const auto number = static_cast<std::size_t>(page - memory_) / memory_page_size();
    free_.fetch_or(std::uint64_t{1} << number, std::memory_order_release);  // pairs with take()
  }

 private:
  static constexpr std::size_t count = 64;  // as many threads may restore a stack at once

  page_buffers() noexcept {
    const int saved_errno = errno;
    void* const memory = ::mmap(nullptr, count * memory_page_size(), PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = saved_errno;
    if (memory != MAP_FAILED) memory_ = static_cast<std::byte*>(memory);
  }

  std::byte* memory_ = nullptr;
  atomic<std::uint64_t> free_{~std::uint64_t{0}};
};

void* map_memory(std::size_t bytes) noexcept {
  const int saved_errno = errno;
  void* const memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory != MAP_FAILED) ::madvise(memory, bytes, MADV_NOHUGEPAGE);  // one touch is not to cost 2 MiB
  errno = saved_errno;
  return memory != MAP_FAILED ? memory : nullptr;
}

std::byte* page_of(std::byte* address) noexcept {
  return reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(address) / memory_page_size() *
                                      memory_page_size());
}

}  // namespace

hibernation& hibernation::instance() noexcept {
  static constinit hibernation only;
  return only;
}

bool hibernation::available() noexcept { return page_trap::instance().available() && page_buffers::instance().made(); }

// --- stacks
// -----------------------------------------------------------------------------------------------------------

hibernation::place hibernation::find(const void* address) noexcept {
  // acquire: pairs with the release in grow(); the slabs below it are complete, and stay.
  const std::size_t count = slab_count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    slab& candidate = slabs_[i];
    const auto offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(candidate.begin);
    if (offset < candidate.stacks * candidate.stack_size) {
      return {&candidate, static_cast<std::uint32_t>(offset / candidate.stack_size)};
    }
  }
  return {};
}

// Under the lock. A mapping a quarter as large as those of the class before it.
bool hibernation::grow(unsigned cls) noexcept {
  const std::size_t count = slab_count_.load(std::memory_order_relaxed);
  if (count == most_slabs) return false;
  const std::size_t size = stack_class_size(cls);
  std::size_t before = 0;
  for (std::size_t i = 0; i < count; ++i) before += slabs_[i].stack_size == size ? slabs_[i].stacks : 0;
  const std::size_t stacks = std::max<std::size_t>(1, before / 4 / group_size) * group_size;
  auto* const begin = static_cast<std::byte*>(map_memory(stacks * size));
  const std::size_t groups = stacks / group_size;
  const std::size_t books = stacks * sizeof(record) + groups * sizeof(atomic<std::uint32_t>);
  auto* const records = begin != nullptr ? static_cast<std::byte*>(map_memory(books)) : nullptr;
  if (records == nullptr || !page_trap::instance().cover(begin, stacks * size)) {
    const int saved_errno = errno;
    if (begin != nullptr) ::munmap(begin, stacks * size);
    if (records != nullptr) ::munmap(records, books);
    errno = saved_errno;
    return false;
  }
  slab& fresh = slabs_[count];
  fresh.begin = begin;
  fresh.stack_size = size;
  fresh.stacks = static_cast<std::uint32_t>(stacks);
  // Memory of the kernel is zero, and so are records and counters that nobody has used: none is constructed one by one,
  // so that books cost no memory before the stacks do.
  fresh.records = reinterpret_cast<record*>(records);
  fresh.wakeful = reinterpret_cast<atomic<std::uint32_t>*>(records + stacks * sizeof(record));
  slab_count_.store(count + 1, std::memory_order_release);  // pairs with find()
  return true;
}

// Under the lock. A free stack without memory.
hibernation::place hibernation::take_cold(unsigned cls) {
  for (;;) {
    const std::size_t count = slab_count_.load(std::memory_order_relaxed);
    for (std::size_t i = 0; i < count; ++i) {
      slab& candidate = slabs_[i];
      if (candidate.stack_size != stack_class_size(cls)) continue;
      if (candidate.free != 0) {
        const place taken{&candidate, candidate.free - 1};
        candidate.free = taken.entry().next_free;
        return taken;
      }
      if (candidate.carved != candidate.stacks) {
        const place taken{&candidate, candidate.carved++};
        taken.entry().canary = install_stack_guard(taken.base()) == stack_guard_kind::canary;
        return taken;
      }
    }
    if (!grow(cls)) throw std::bad_alloc();
  }
}

// All pages of a stack that is given out: the top one, which its header needs at once, and zeros below.
void hibernation::make_present(place where) noexcept {
  page_trap& trap = page_trap::instance();
  std::byte* const page = page_buffers::instance().take();
  std::memset(page, 0, memory_page_size());
  std::byte* const top_page = where.top() - memory_page_size();
  trap.fill(top_page, page);
  page_buffers::instance().give(page);
  trap.fill_with_zeros(where.lowest(), static_cast<std::size_t>(top_page - where.lowest()));
}

stack_memory hibernation::allocate(std::size_t size) {
  const std::optional<unsigned> cls = stack_class_for(size);
  require(cls.has_value(), "a hibernating stack is larger than any class");
  place taken;
  bool hot = false;
  {
    const thread_mutex_guard hold(free_lock_);
    hot_shelf& shelf = hot_[*cls];
    hot = shelf.count != 0;
    taken = hot ? shelf.stacks[--shelf.count] : take_cold(*cls);
  }
  if (!hot) make_present(taken);
  // relaxed: counters for a glance, and a hint where to look.
  live_.fetch_add(1, std::memory_order_relaxed);
  taken.wakeful().fetch_add(1, std::memory_order_relaxed);
  taken.entry().state.store(stack_state::awake, std::memory_order_relaxed);  // nobody else looks before it has an owner
  return {taken.base(), taken.in->stack_size, !taken.entry().canary};
}

void hibernation::deallocate(stack_memory memory) noexcept {
  const place freed = find(memory.base);
  require(freed.in != nullptr, "a stack was given back that does not hibernate");
  record& entry = freed.entry();
  entry.owner.store(nullptr, std::memory_order_relaxed);
  // A task that was given up may sleep. Its header was read before, so its stack is there by now, or just comes.
  for (;;) {
    stack_state seen = entry.state.load(std::memory_order_acquire);  // pairs with the end of a move
    if (seen == stack_state::moving) {
      yield_thread();
      continue;
    }
    require(seen != stack_state::free, "a hibernating stack was given back twice");
    // acquire: as above. A round that looks at this stack meets a free one, or takes it first.
    if (seen != stack_state::asleep &&
        entry.state.compare_exchange_strong(seen, stack_state::free, std::memory_order_acquire,
                                            std::memory_order_relaxed)) {
      break;
    }
    static_cast<void>(on_fault(freed.top() - 1));
  }
  freed.wakeful().fetch_sub(1, std::memory_order_relaxed);
  live_.fetch_sub(1, std::memory_order_relaxed);
  const auto cls = static_cast<unsigned>(std::countr_zero(freed.in->stack_size)) - smallest_stack_shift;
  std::array<place, hot_shelf::evicted> cold;
  {
    const thread_mutex_guard hold(free_lock_);
    hot_shelf& shelf = hot_[cls];
    if (shelf.count < hot_shelf::capacity) {
      shelf.stacks[shelf.count++] = freed;
      return;
    }
    const auto kept = shelf.stacks.begin() + cold.size();
    std::copy(shelf.stacks.begin(), kept, cold.begin());
    std::copy(kept, shelf.stacks.end(), shelf.stacks.begin());
    shelf.count -= cold.size();
    shelf.stacks[shelf.count++] = freed;
  }
  evict(cold);
}

// Free stacks that were idle for longest: their memory goes, with one call for neighbours.
void hibernation::evict(std::span<place> cold) noexcept {
  std::sort(cold.begin(), cold.end(), [](const place& a, const place& b) { return a.base() < b.base(); });
  const int saved_errno = errno;
  for (std::size_t begin = 0, end = 0; begin < cold.size(); begin = end) {
    for (end = begin + 1; end < cold.size() && cold[end].base() == cold[end - 1].top();) ++end;
    std::byte* const first = cold[begin].usable();
    ::madvise(first, static_cast<std::size_t>(cold[end - 1].top() - first), MADV_DONTNEED);
  }
  errno = saved_errno;
  const thread_mutex_guard hold(free_lock_);
  for (const place& item : cold) {
    item.entry().next_free = item.in->free;
    item.in->free = item.index + 1;
  }
}

// --- waking
// -----------------------------------------------------------------------------------------------------------

// Holding the move of a sleeping stack.
void hibernation::restore(place where) noexcept {
  record& entry = where.entry();
  page_trap& trap = page_trap::instance();
  const std::size_t page_size = memory_page_size();
  std::byte* const live = entry.live();
  std::byte* const first_page = page_of(live);
  const std::byte* source = entry.saved;
  std::byte* const buffer = page_buffers::instance().take();
  trap.fill_with_zeros(where.lowest(), static_cast<std::size_t>(first_page - where.lowest()));
  for (std::byte* page = first_page; page != where.top(); page += page_size) {
    const auto skipped = page == first_page ? static_cast<std::size_t>(live - page) : 0;
    std::memset(buffer, 0, skipped);
    std::memcpy(buffer + skipped, source, page_size - skipped);
    source += page_size - skipped;
    trap.fill(page, buffer);
  }
  page_buffers::instance().give(buffer);
  saved_.give_back(entry.saved, static_cast<std::size_t>(where.top() - live));
  entry.saved = nullptr;
  // relaxed: counters for a glance, and a hint where to look.
  asleep_.fetch_sub(1, std::memory_order_relaxed);
  where.wakeful().fetch_add(1, std::memory_order_relaxed);
}

bool hibernation::resume(task& next) noexcept {
  const place where = find(next.stack);
  require(where.in != nullptr, "a task hibernates on a stack from elsewhere");
  record& entry = where.entry();
  for (;;) {
    // acquire: pairs with the release of whoever moved it, or made it resident.
    stack_state seen = entry.state.load(std::memory_order_acquire);
    switch (seen) {
      case stack_state::awake:
        // release: pairs with the acquire of a round, which then looks at this task.
        entry.owner.store(&next, std::memory_order_release);
        return false;
      case stack_state::resident:
        if (!entry.state.compare_exchange_strong(seen, stack_state::awake, std::memory_order_acquire,
                                                 std::memory_order_relaxed)) {
          continue;
        }
        next.context.resume_point.set(entry.resume_point);
        return true;
      case stack_state::asleep:
        if (!entry.state.compare_exchange_strong(seen, stack_state::moving, std::memory_order_acquire,
                                                 std::memory_order_relaxed)) {
          continue;
        }
        restore(where);
        wakes_.fetch_add(1, std::memory_order_relaxed);
        next.context.resume_point.set(entry.resume_point);
        entry.state.store(stack_state::awake, std::memory_order_release);  // pairs with all loads of the state
        return true;
      case stack_state::moving:
        yield_thread();
        break;
      case stack_state::free:
        fatal("a task runs on a hibernating stack that was given back");
    }
  }
}

bool hibernation::on_fault(const void* address) noexcept {
  const place where = find(address);
  if (where.in == nullptr) return false;
  record& entry = where.entry();
  for (;;) {
    // acquire: pairs with the release of whoever moved it.
    stack_state seen = entry.state.load(std::memory_order_acquire);
    switch (seen) {
      case stack_state::asleep:
        if (!entry.state.compare_exchange_strong(seen, stack_state::moving, std::memory_order_acquire,
                                                 std::memory_order_relaxed)) {
          continue;
        }
        restore(where);
        touches_.fetch_add(1, std::memory_order_relaxed);
        entry.state.store(stack_state::resident, std::memory_order_release);  // pairs with all loads of the state
        return true;
      case stack_state::moving:
        yield_thread();
        break;
      case stack_state::awake:
      case stack_state::resident:
        return true;  // it has come back meanwhile; only a move changes pages
      case stack_state::free:
        return false;  // a pointer into the stack of a task that has ended
    }
  }
}

hibernation_statistics hibernation::statistics() noexcept {
  hibernation_statistics sum;
  sum.in_use = live_.load(std::memory_order_relaxed);
  sum.asleep = asleep_.load(std::memory_order_relaxed);
  sum.saved_bytes = saved_.bytes_in_use();
  sum.sleeps = sleeps_.load(std::memory_order_relaxed);
  sum.wakes = wakes_.load(std::memory_order_relaxed);
  sum.touches = touches_.load(std::memory_order_relaxed);
  const std::size_t count = slab_count_.load(std::memory_order_acquire);  // pairs with grow()
  for (std::size_t i = 0; i < count; ++i) sum.mapped_bytes += slabs_[i].stacks * slabs_[i].stack_size;
  return sum;
}

}  // namespace csp::inline v0::detail
