// One entry for each file descriptor number, made in chunks when a number in their range is first asked for. Entries
// are never freed or moved: whoever has looked one up may hold on to it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>

namespace csp::inline v0::detail {

template <class Entry>
class fd_table {
 public:
  /// Numbers from this on are not managed. The kernel's own default limit (fs.nr_open) is the same.
  static constexpr int most_fds = 1 << 20;

  /// The entry of `fd`; null when the number is out of range or nobody has asked get() for its chunk. Any thread.
  [[nodiscard]] Entry* find(int fd) const noexcept {
    const auto number = static_cast<std::size_t>(fd);
    if (fd < 0 || fd >= most_fds) {
      return nullptr;
    }
    // [FT1] acquire: pairs with [FT2]; the entries have been made.
    chunk* const part = chunks_[number / chunk_size].load(std::memory_order_acquire);
    return part != nullptr ? &(*part)[number % chunk_size] : nullptr;
  }

  /// The same, making it; null only out of range. Throws std::bad_alloc. Any thread.
  [[nodiscard]] Entry* get(int fd) {
    if (Entry* const found = find(fd)) {
      return found;
    }
    if (fd < 0 || fd >= most_fds) {
      return nullptr;
    }
    auto fresh = std::make_unique<chunk>();
    chunk* none = nullptr;
    // [FT2] release: publishes the entries.
    if (chunks_[static_cast<std::size_t>(fd) / chunk_size].compare_exchange_strong(
            none, fresh.get(), std::memory_order_acq_rel, std::memory_order_acquire)) {
      static_cast<void>(fresh.release());
    }
    return find(fd);
  }

  /// Calls `visit(fd, entry)` for all entries that exist until it returns true; whether it did. Any thread.
  template <class Visit>
  bool any_of(Visit visit) {
    for (std::size_t at = 0; at < chunks_.size(); ++at) {
      chunk* const part = chunks_[at].load(std::memory_order_acquire);
      for (std::size_t i = 0; part != nullptr && i < chunk_size; ++i) {
        if (visit(static_cast<int>(at * chunk_size + i), (*part)[i])) {
          return true;
        }
      }
    }
    return false;
  }

 private:
  /// A program with few descriptors pays for one chunk.
  static constexpr std::size_t chunk_size = 256;
  using chunk = std::array<Entry, chunk_size>;

  std::array<std::atomic<chunk*>, most_fds / chunk_size> chunks_{};
};

}  // namespace csp::inline v0::detail
