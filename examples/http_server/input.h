// What a connection has received and nobody has taken yet.

#pragma once

#include <libcsp/csp.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace http {

class input {
 public:
  explicit input(csp::net::stream& from) : from_(from) {}

  std::string_view bytes() const { return {memory_.data() + begin_, end_ - begin_}; }
  void take(std::size_t count) { begin_ += count; }

  // Waits until more has come; 0: the peer has ended the stream. Views of bytes() are void after it.
  csp::net::result<std::size_t> receive() {
    make_room();
    auto count = from_.read(memory_.data() + end_, memory_.size() - end_);
    end_ += count ? *count : 0;
    return count;
  }

 private:
  // Enough for what most requests need; it doubles when it is full. Who takes what is complete, and refuses what
  // becomes too long, bounds it.
  static constexpr std::size_t first_size = 4 * 1024;

  void make_room() {
    if (begin_ != 0) {
      std::copy(memory_.data() + begin_, memory_.data() + end_, memory_.data());
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == memory_.size()) {
      memory_.resize(std::max(first_size, 2 * memory_.size()));
    }
  }

  csp::net::stream& from_;
  std::vector<char> memory_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace http
