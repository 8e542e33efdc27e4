// Reading files in blocks of whole words.
//
// This is ordinary blocking code without a channel in it; job.cpp runs it on csp::blocking's
// threads while a task waits.

#pragma once

#include "walk.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace wordcount {

// A piece of input that begins and ends between two words. Its memory is used again and again.
struct block {
  std::vector<char> memory;
  std::size_t used = 0;

  std::span<char> text() { return {memory.data(), used}; }
};

// Reads files one after the other into blocks. Small files share a block, but a word never spans
// two files. An error ends the file, not the reader: what was read before it counts.
class block_reader {
 public:
  explicit block_reader(file_batch files) : files_(std::move(files)) {}
  ~block_reader() { close_file(); }

  block_reader(const block_reader&) = delete;
  block_reader& operator=(const block_reader&) = delete;

  // Fills `out` from its beginning; false at the end of the last file (`out` may hold the last
  // words). The memory of `out` grows only if it is too small for one word.
  bool fill(block& out);

  // The number of files opened and of bytes read, and what went wrong, each since the last call.
  std::uint64_t take_files() { return std::exchange(opened_, 0); }
  std::uint64_t take_bytes() { return std::exchange(bytes_, 0); }
  std::vector<file_error> take_errors() { return std::exchange(errors_, {}); }

 private:
  bool open_next();
  bool read_some(block& out);
  bool cut_last_word(block& out);
  void close_file();

  file_batch files_;
  std::size_t next_ = 0;       // the next of files_ to open
  int fd_ = -1;                // the file that is being read, or -1
  std::vector<char> carried_;  // the beginning of a word, cut from the end of the last block
  std::uint64_t opened_ = 0;
  std::uint64_t bytes_ = 0;
  std::vector<file_error> errors_;
};

}  // namespace wordcount
