// POSIX reads, not iostreams: one copy from the page cache into the block, and exact errors.

#include "read.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace wordcount {

namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

bool block_reader::fill(block& out) {
  out.memory.resize(std::max(out.memory.size(), 2 * carried_.size()));
  std::ranges::copy(carried_, out.memory.begin());
  out.used = carried_.size();
  carried_.clear();
  for (;;) {
    if (fd_ < 0 && !open_next()) {
      return false;
    }
    // One byte is kept free for the separator behind a file.
    if (out.used + 1 >= out.memory.size()) {
      if (cut_last_word(out)) {
        return true;
      }
      out.memory.resize(2 * out.memory.size());
    }
    if (!read_some(out)) {
      close_file();
      out.memory[out.used++] = '\n';
    }
  }
}

// Opens the next file that can be opened; false when none is left.
bool block_reader::open_next() {
  while (next_ != files_.size()) {
    const std::string& path = files_[next_++];
    // Non-blocking, in case that a pipe has taken the place of the file.
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd_ >= 0) {
      ++opened_;
      return true;
    }
    errors_.push_back({path, {errno, std::generic_category()}});
  }
  return false;
}

// One read; false at the end of the file or after an error.
bool block_reader::read_some(block& out) {
  ssize_t n = 0;
  do {
    n = ::read(fd_, out.memory.data() + out.used, out.memory.size() - 1 - out.used);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    errors_.push_back({files_[next_ - 1], {errno, std::generic_category()}});
    return false;
  }
  out.used += static_cast<std::size_t>(n);
  bytes_ += static_cast<std::uint64_t>(n);
  return n > 0;
}

// Keeps what may be the first part of a word for the next block. False if that is all of it.
bool block_reader::cut_last_word(block& out) {
  const std::span<char> text = out.text();
  const auto word = std::find_if_not(text.rbegin(), text.rend(), is_letter).base();
  if (word == text.begin()) {
    return false;
  }
  carried_.assign(word, text.end());
  out.used -= carried_.size();
  return true;
}

void block_reader::close_file() {
  if (fd_ >= 0) {
    ::close(std::exchange(fd_, -1));
  }
}

}  // namespace wordcount
