#include "sched/thread_block.h"

#include "sched/base/spinlock.h"
#include "sched/base/tls.h"

namespace csp::inline v0::detail {
namespace {

constinit spinlock pool_lock{lock_rank::arena};
constinit thread_block* pool = nullptr;  // guarded by pool_lock

// Gives the block back when its thread ends.
struct block_holder {
  thread_block* block = nullptr;
  block_holder() = default;
  block_holder(const block_holder&) = delete;
  block_holder& operator=(const block_holder&) = delete;
  ~block_holder() {
    if (block != nullptr) {
      const spinlock_guard guard(pool_lock);
      block->next_free = pool;
      pool = block;
    }
  }
};

thread_local block_holder holder;

thread_block* take_pooled() noexcept {
  const spinlock_guard guard(pool_lock);
  thread_block* const block = pool;
  if (block != nullptr) {
    pool = block->next_free;
  }
  return block;
}

}  // namespace

CSP_NOINLINE thread_block& this_thread_block() {
  if (holder.block == nullptr) {
    thread_block* const pooled = take_pooled();
    holder.block = pooled != nullptr ? pooled : new thread_block;
    holder.block->adopt();
  }
  return *holder.block;
}

}  // namespace csp::inline v0::detail
