#include "sched/stack_arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <new>

namespace csp::inline v0::detail {
namespace {

// Colours: a step is a cache line. 32 of them take half a page, so that the other half still holds what a parked task
// has on its stack, and the task costs one page; against no colours that halved the cost of a switch in a round of
// 1000 tasks, where 16 colours gained a third. Stacks of neighbouring indices, which tend to run together, are 13 lines
// apart; 13 is coprime to the number of colours. The smallest class has one page to use and can spare less of it.
constexpr std::size_t colour_step = 64;
constexpr std::size_t colour_stride = 13;
constexpr std::size_t colours(unsigned cls) noexcept { return cls == 0 ? 8 : 32; }

// Never destroyed: stacks outlive static destructors.
union immortal_arena {
  stack_arena arena;
  constexpr immortal_arena() noexcept : arena() {}
  ~immortal_arena() {}
};
constinit immortal_arena the_arena;

std::byte* map_slab(std::size_t bytes) noexcept {
  void* memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  // A huge page would make the first touch of one stack cost 2 MiB. Fails where there are none: as good.
  ::madvise(memory, bytes, MADV_NOHUGEPAGE);
  return static_cast<std::byte*>(memory);
}

}  // namespace

stack_arena& stack_arena::instance() noexcept { return the_arena.arena; }

stack_arena::~stack_arena() {
  const std::size_t count = slab_count_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < count; ++i) {
    ::munmap(slabs_[i].base, slabs_[i].stacks * stack_class_size(slabs_[i].class_index));
  }
}

bool stack_arena::try_reserve(unsigned cls, std::size_t count) noexcept {
  shelf& s = shelves_[cls];
  const thread_mutex_guard hold(s.lock);
  if (count > std::numeric_limits<std::uint32_t>::max()) return false;  // also keeps the sums below from wrapping
  if (s.credits + count > s.ranges && !grow(cls, s.credits + count - s.ranges)) return false;
  s.credits += count;
  return true;
}

void stack_arena::reserve(unsigned cls, std::size_t count) {
  if (!try_reserve(cls, count)) throw std::bad_alloc();
}

void stack_arena::unreserve(unsigned cls, std::size_t count) noexcept {
  shelf& s = shelves_[cls];
  const thread_mutex_guard hold(s.lock);
  s.credits -= count;
}

// Under the class lock. Maps room for at least `need` stacks, in one piece and generously if possible, in up to 16
// pieces if address space is short or fragmented; on failure nothing stays mapped.
bool stack_arena::grow(unsigned cls, std::size_t need) noexcept {
  const std::size_t size = stack_class_size(cls);
  const std::size_t most =
      std::min<std::size_t>(std::numeric_limits<std::uint32_t>::max(), static_cast<std::size_t>(PTRDIFF_MAX) / size);
  if (need > most) return false;
  const int saved_errno = errno;
  struct piece {
    std::byte* base;
    std::size_t stacks;
  };
  std::array<piece, 16> pieces{};
  std::size_t made = 0;
  std::size_t left = need;
  std::size_t wanted = std::min(most, std::max({need, std::size_t{stack_batch(cls)}, shelves_[cls].ranges / 4}));
  while (left != 0 && made < pieces.size()) {
    if (std::byte* base = map_slab(wanted * size)) {
      pieces[made++] = {base, wanted};
      left -= std::min(left, wanted);
      wanted = std::min(wanted, left);
    } else if (wanted > left) {
      wanted = std::max(left, wanted / 2);
    } else if (wanted > 1 && wanted * pieces.size() > need) {
      wanted = (wanted + 1) / 2;
    } else {
      break;
    }
  }
  std::size_t published = 0;
  if (left == 0) {
    while (published < made && publish(cls, pieces[published].base, pieces[published].stacks)) ++published;
  }
  for (std::size_t i = published; i < made; ++i) ::munmap(pieces[i].base, pieces[i].stacks * size);
  errno = saved_errno;
  return left == 0 && published == made;
}

// Under the class lock. Puts a slab into the table and behind the open ones of its class. False: the table is full.
bool stack_arena::publish(unsigned cls, std::byte* base, std::size_t stacks) noexcept {
  shelf& s = shelves_[cls];
  slab* fresh = nullptr;
  {
    const thread_mutex_guard hold(slabs_lock_);
    const std::size_t count = slab_count_.load(std::memory_order_relaxed);  // written under this lock only
    if (count == slabs_.size()) return false;
    fresh = &slabs_[count];
    fresh->base = base;
    fresh->stacks = static_cast<std::uint32_t>(stacks);
    fresh->class_index = cls;
    slab_count_.store(count + 1, std::memory_order_release);  // [SA1] pairs with lookup()
  }
  slab** last = &s.open;
  while (*last != nullptr) last = &(*last)->next;
  *last = fresh;
  s.ranges += stacks;
  return true;
}

stack_block* stack_arena::header_at(std::byte* base, unsigned cls, std::uint32_t index) noexcept {
  const std::size_t gap = index * colour_stride % colours(cls) * colour_step;
  return reinterpret_cast<stack_block*>(base + stack_class_size(cls) - gap - sizeof(stack_block));
}

// Without a lock: the range `index` of a slab belongs to the caller, and to nobody before.
stack_block* stack_arena::carve(unsigned cls, std::byte* base, std::uint32_t index) noexcept {
  auto* block = ::new (static_cast<void*>(header_at(base, cls, index))) stack_block;
  block->usable_top = block;
  block->base = base;
  block->size = stack_class_size(cls);
  block->class_index = cls;
  block->guard = install_stack_guard(base);
  // relaxed: a statistic.
  guards_[static_cast<std::size_t>(block->guard)].fetch_add(1, std::memory_order_relaxed);
  block->carved.store(1, std::memory_order_release);  // [SA2] pairs with lookup()
  return block;
}

stack_block* stack_arena::carve_or_take(unsigned cls) noexcept {
  stack_block* block = nullptr;
  static_cast<void>(carve_or_take(cls, &block, 1));
  return block;
}

unsigned stack_arena::carve_or_take(unsigned cls, stack_block** out, unsigned count) noexcept {
  shelf& s = shelves_[cls];
  std::byte* base = nullptr;
  std::uint32_t index = 0;
  {
    const thread_mutex_guard hold(s.lock);
    unsigned taken = 0;
    while (taken < count && s.idle != nullptr) {
      out[taken++] = s.idle;
      s.idle = s.idle->next;
    }
    s.idle_count -= taken;
    if (taken != 0) return taken;
    slab* from = s.open;
    if (from == nullptr) {
      std::fputs("csp: fatal: a stack was taken without a credit\n", stderr);
      std::abort();
    }
    index = from->carved++;
    base = from->base + index * stack_class_size(cls);
    if (from->carved == from->stacks) s.open = from->next;
    ++s.carved;
  }
  *out = carve(cls, base, index);
  return 1;
}

void stack_arena::give(unsigned cls, stack_block* const* blocks, unsigned count) noexcept {
  if (count == 0) return;
  for (unsigned i = 1; i < count; ++i) blocks[i]->next = blocks[i - 1];  // outside the lock: these may be cold
  shelf& s = shelves_[cls];
  const thread_mutex_guard hold(s.lock);
  blocks[0]->next = s.idle;
  s.idle = blocks[count - 1];
  s.idle_count += count;
}

stack_block* stack_arena::lookup(const void* address) noexcept {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  const std::size_t count = slab_count_.load(std::memory_order_acquire);  // [SA1]
  for (std::size_t i = 0; i < count; ++i) {
    const slab& s = slabs_[i];
    const std::size_t size = stack_class_size(s.class_index);
    const std::uintptr_t offset = wanted - reinterpret_cast<std::uintptr_t>(s.base);
    if (offset >= s.stacks * size) continue;  // also when wanted is below base: the difference wraps
    const std::size_t index = offset / size;
    // The header of a range that was never carved reads as zero.
    stack_block* block = header_at(s.base + index * size, s.class_index, static_cast<std::uint32_t>(index));
    return block->carved.load(std::memory_order_acquire) != 0 ? block : nullptr;  // [SA2]
  }
  return nullptr;
}

stack_arena_statistics stack_arena::statistics() noexcept {
  stack_arena_statistics sum;
  for (unsigned cls = 0; cls < stack_class_count; ++cls) {
    shelf& s = shelves_[cls];
    const thread_mutex_guard hold(s.lock);
    sum.ranges += s.ranges;
    sum.mapped_bytes += s.ranges * stack_class_size(cls);
    sum.credits += s.credits;
    sum.carved += s.carved;
    sum.idle += s.idle_count;
  }
  sum.slabs = slab_count_.load(std::memory_order_relaxed);
  for (std::size_t i = 0; i < stack_guard_kinds; ++i) sum.guards[i] = guards_[i].load(std::memory_order_relaxed);
  return sum;
}

}  // namespace csp::inline v0::detail
