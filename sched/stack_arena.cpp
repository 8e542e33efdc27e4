#include "sched/stack_arena.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <new>

#include "sched/base/fatal.h"

namespace csp::inline v0::detail {
namespace {

// Never destroyed: stacks outlive static destructors.
union immortal_arena {
  stack_arena arena;
  constexpr immortal_arena() noexcept : arena() {}
  ~immortal_arena() {}
};
constinit immortal_arena the_arena;

}  // namespace

stack_arena& stack_arena::instance() noexcept { return the_arena.arena; }

stack_arena::~stack_arena() {
  for (shelf& s : shelves_) {
    for (const stack_slab* at = s.slabs; at != nullptr; at = at->next) {
      unmap_slab(at->class_index, at->base, at->stacks);
    }
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
  const std::size_t stride = stack_class_stride(cls);
  const std::size_t most = std::min<std::size_t>(std::numeric_limits<std::uint32_t>::max(),
                                                 static_cast<std::size_t>(PTRDIFF_MAX) / stride - 1);
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
    if (std::byte* base = map_slab(cls, wanted)) {
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
  for (std::size_t i = published; i < made; ++i) unmap_slab(cls, pieces[i].base, pieces[i].stacks);
  errno = saved_errno;
  return left == 0 && published == made;
}

// Under the class lock. Puts a slab into the table and behind those of its class. False: the table is full.
bool stack_arena::publish(unsigned cls, std::byte* base, std::size_t stacks) noexcept {
  stack_slab* const fresh = slabs_.publish(cls, base, stacks);
  if (fresh == nullptr) return false;
  shelf& s = shelves_[cls];
  stack_slab** last = &s.slabs;
  while (*last != nullptr) last = &(*last)->next;
  *last = fresh;
  if (s.open == nullptr) s.open = fresh;
  s.ranges += stacks;
  ++s.made;
  return true;
}

// Under the class lock. The lowest range without memory: use stays dense, and what lies above can be given back.
bool stack_arena::take_bare(shelf& s, bare_range& out) noexcept {
  while (s.open != nullptr && s.open->taken == s.open->stacks) s.open = s.open->next;
  stack_slab* const slab = s.open;
  if (slab == nullptr) return false;
  std::uint32_t index = slab->cursor;
  while (slab->states[index] == stack_state::taken) ++index;
  out = {slab, index, slab->states[index]};
  slab->states[index] = stack_state::taken;
  slab->cursor = index + 1;
  ++slab->taken;
  if (out.state != stack_state::fresh) {
    --slab->released;
    --s.released;
  }
  ++s.taken;
  ++s.carves;
  s.rounds_at_rest = 0;
  return true;
}

// Without a lock: the range belongs to the caller.
stack_block* stack_arena::carve(unsigned cls, const bare_range& range) noexcept {
  auto* block = ::new (static_cast<void*>(stack_header_at(range.slab->base, cls, range.index))) stack_block;
  block->usable_top = block;
  block->base = range.slab->stack_at(range.index);
  block->size = stack_class_size(cls);
  block->class_index = cls;
  if (range.state == stack_state::fresh) {
    block->guard = install_stack_guard(block->base);
    // relaxed: a statistic.
    guards_[static_cast<std::size_t>(block->guard)].fetch_add(1, std::memory_order_relaxed);
  } else {
    block->guard = stack_state::guard_of(range.state);
  }
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
  for (;;) {
    bare_range range{};
    bool found = false;
    {
      const thread_mutex_guard hold(s.lock);
      unsigned taken = 0;
      while (taken < count && s.idle != nullptr) {
        out[taken++] = s.idle;
        s.idle = s.idle->next;
      }
      (s.idle != nullptr ? s.idle->previous : s.coldest) = nullptr;
      s.idle_count -= taken;
      found = taken == 0 && take_bare(s, range);
      s.peak = std::max(s.peak, s.in_use());
      if (taken != 0) return taken;
      require(found || s.in_transit != 0, "a stack was taken without a credit");
    }
    if (found) {
      *out = carve(cls, range);
      return 1;
    }
    const thread_mutex_guard released(ageing_lock_);  // the last ones are just being released
  }
}

void stack_arena::give(unsigned cls, stack_block* const* blocks, unsigned count) noexcept {
  if (count == 0) return;
  for (unsigned i = 1; i < count; ++i) {  // outside the lock: these may be cold
    blocks[i]->next = blocks[i - 1];
    blocks[i - 1]->previous = blocks[i];
  }
  blocks[count - 1]->previous = nullptr;
  shelf& s = shelves_[cls];
  const thread_mutex_guard hold(s.lock);
  blocks[0]->next = s.idle;
  (s.idle != nullptr ? s.idle->previous : s.coldest) = blocks[0];
  s.idle = blocks[count - 1];
  s.idle_count += count;
}

stack_block* stack_arena::lookup(const void* address) noexcept {
  stack_block* const block = slabs_.find(address);
  // The header of a range without memory reads as zero.
  return block != nullptr && block->carved.load(std::memory_order_acquire) != 0 ? block : nullptr;  // [SA2]
}

stack_arena_statistics stack_arena::statistics() noexcept {
  stack_arena_statistics sum;
  for (shelf& s : shelves_) {
    const thread_mutex_guard hold(s.lock);
    for (const stack_slab* at = s.slabs; at != nullptr; at = at->next) sum.mapped_bytes += at->mapped_bytes();
    sum.ranges += s.ranges;
    sum.credits += s.credits;
    sum.carved += s.taken + s.released;
    sum.in_use += s.in_use();
    sum.idle += s.idle_count;
    sum.released += s.released;
    sum.mappings_made += s.made;
    sum.mappings_ended += s.ended;
    sum.carves += s.carves;
    sum.releases += s.releases;
    sum.renewals += s.renewals;
  }
  sum.slabs = slabs_.size();
  for (std::size_t i = 0; i < stack_guard_kinds; ++i) sum.guards[i] = guards_[i].load(std::memory_order_relaxed);
  return sum;
}

}  // namespace csp::inline v0::detail
