// Scattered buffers of which a part is done already.
#pragma once

#include <sys/uio.h>
#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <memory>
#include <new>

namespace csp::inline v0::detail::hook {

/// A copy of the caller's iovecs that can be advanced. The caller's stay as they are. Up to a few without the heap.
class rest_of_vector {
 public:
  /// `count` as the caller gave it; more than the kernel takes makes the system call fail, not us.
  rest_of_vector(const iovec* parts, std::size_t count) noexcept : count_(count) {
    if (count > few_.size()) {
      many_.reset(new (std::nothrow) iovec[count]);
      first_ = many_.get();
    }
    if (first_ != nullptr) {
      std::copy_n(parts, count, first_);
    }
  }

  /// False when there was no memory for it.
  [[nodiscard]] bool complete() const noexcept { return first_ != nullptr; }
  [[nodiscard]] iovec* data() const noexcept { return first_; }
  [[nodiscard]] std::size_t count() const noexcept { return count_; }
  /// False for nothing at all, and for more bytes than a call can count: the real call has an answer to those.
  [[nodiscard]] bool is_sane() const noexcept {
    std::size_t room = SSIZE_MAX;
    for (std::size_t i = 0; i < count_; ++i) {
      if (first_[i].iov_len > room) {
        return false;
      }
      room -= first_[i].iov_len;
    }
    return room != SSIZE_MAX;
  }
  [[nodiscard]] std::size_t bytes() const noexcept {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      sum += first_[i].iov_len;
    }
    return sum;
  }

  /// The first `done` bytes are dealt with.
  void advance(std::size_t done) noexcept {
    while (count_ != 0 && done >= first_->iov_len) {
      done -= first_->iov_len;
      ++first_;
      --count_;
    }
    if (count_ != 0) {
      first_->iov_base = static_cast<std::byte*>(first_->iov_base) + done;
      first_->iov_len -= done;
    }
  }

 private:
  std::array<iovec, 8> few_{};
  std::unique_ptr<iovec[]> many_;
  iovec* first_ = few_.data();
  std::size_t count_;
};

}  // namespace csp::inline v0::detail::hook
