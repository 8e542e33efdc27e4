// The command line of wordcount.

#pragma once

#include <cstddef>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace wordcount {

struct options {
  std::vector<std::string> roots;
  std::size_t top = 10;
  unsigned readers = 4;
  bool all = false;
  bool compare = false;
  bool progress = false;
  bool quiet = false;
  bool help = false;
};

inline constexpr const char* usage =
    "usage: wordcount [option]... PATH...\n"
    "Counts the words (runs of the letters A-Z, a-z) in all files below each PATH.\n"
    "\n"
    "  --top N      print the N most frequent words (default 10)\n"
    "  --all        print all words with their counts, in alphabetical order\n"
    "  --readers N  read at most N files at a time (default 4)\n"
    "  --progress   show progress even if stderr is no terminal\n"
    "  --quiet      show no progress and no summary\n"
    "  --compare    count with 1 processor and with all, and compare the two\n"
    "  --help       show this text\n"
    "\n"
    "Exit status: 0 if all was read, 1 if some files could not be read, 2 for bad usage.\n"
    "The environment variable CSP_PROCESSORS sets the number of processors.\n";

class usage_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws usage_error.
options parse_options(std::span<char*> arguments);

}  // namespace wordcount
