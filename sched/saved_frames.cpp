#include "sched/saved_frames.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "sched/stack_class.h"

namespace csp::inline v0::detail {

saved_frames::~saved_frames() {
  for (std::size_t i = 0; i < chunk_count_; ++i) ::munmap(chunks_[i].begin, chunks_[i].size);
}

std::byte* saved_frames::allocate(std::size_t size) noexcept {
  const std::size_t wanted = class_of(size);
  if (free_[wanted] == nullptr) collect();
  std::byte* block = reinterpret_cast<std::byte*>(free_[wanted]);
  if (block != nullptr) {
    free_[wanted] = free_[wanted]->next;
  } else {
    block = cut(size_of(wanted));
    if (block == nullptr) return nullptr;
  }
  // relaxed: a statistic, and trim() is called by the thread that allocates; what others gave back meanwhile only makes
  // it less.
  in_use_.fetch_add(size_of(wanted), std::memory_order_relaxed);
  return block;
}

void saved_frames::give_back(std::byte* block, std::size_t size) noexcept {
  const std::size_t size_class = class_of(size);
  auto* const item = ::new (static_cast<void*>(block)) free_block{nullptr, size_class};
  free_block* top = returned_.load(std::memory_order_relaxed);
  do {
    item->next = top;
    // [SF1] release: pairs with the acquire in collect(); the links are complete. Nobody takes a single one, so there
    // is no ABA.
  } while (!returned_.compare_exchange_weak(top, item, std::memory_order_release, std::memory_order_relaxed));
  // release: pairs with the acquire in trim(), whose thread then finds the block in the list.
  in_use_.fetch_sub(size_of(size_class), std::memory_order_release);
}

void saved_frames::collect() noexcept {
  // [SF1] acquire: pairs with the release in give_back().
  free_block* item = returned_.exchange(nullptr, std::memory_order_acquire);
  while (item != nullptr) {
    free_block* const next = item->next;
    item->next = free_[item->size_class];
    free_[item->size_class] = item;
    item = next;
  }
}

std::byte* saved_frames::cut(std::size_t size) noexcept {
  while (current_ < chunk_count_ && cut_ + size > chunks_[current_].size) {
    ++current_;
    cut_ = 0;
  }
  if (current_ == chunk_count_) {
    if (chunk_count_ == most_chunks) return nullptr;
    const std::size_t page = memory_page_size();
    const std::size_t bytes = (std::max(smallest_chunk, mapped_ / 4) + page - 1) / page * page;
    const int saved_errno = errno;
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    errno = saved_errno;
    if (memory == MAP_FAILED) return nullptr;
    chunks_[chunk_count_++] = {static_cast<std::byte*>(memory), bytes};
    mapped_ += bytes;
    cut_ = 0;
  }
  std::byte* const block = chunks_[current_].begin + cut_;
  cut_ += size;
  return block;
}

void saved_frames::trim() noexcept {
  // acquire: pairs with the release in give_back().
  if (in_use_.load(std::memory_order_acquire) != 0 || (current_ == 0 && cut_ == 0)) return;
  collect();
  free_.fill(nullptr);
  const int saved_errno = errno;
  for (std::size_t i = 0; i < chunk_count_; ++i) ::madvise(chunks_[i].begin, chunks_[i].size, MADV_DONTNEED);
  errno = saved_errno;
  current_ = 0;
  cut_ = 0;
}

}  // namespace csp::inline v0::detail
