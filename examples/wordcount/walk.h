// Finding the files in directory trees.
//
// This is ordinary blocking code without a channel in it; job.cpp runs it on csp::blocking's
// threads while a task waits.

#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace wordcount {

struct file_error {
  std::string path;
  std::error_code reason;
};

// Some files for one reader: enough that handing them over costs little, few enough that all
// readers get some.
using file_batch = std::vector<std::string>;
inline constexpr std::size_t batch_size = 32;

// Walks trees. Symbolic links are not followed, unless the user named them; devices, sockets and
// pipes are left out. An error ends the directory, not the walk.
class tree_walker {
 public:
  explicit tree_walker(const std::vector<std::string>& roots) : pending_(roots.rbegin(), roots.rend()) {}

  // Adds files to `out` until it holds batch_size; false when there are no more.
  bool next(file_batch& out);

  // What went wrong since the last call.
  std::vector<file_error> take_errors();

 private:
  void open(std::string path, file_batch& out);
  void take(const std::filesystem::directory_entry& entry, file_batch& out);

  std::vector<std::string> pending_;  // a stack of what has to be looked into
  std::string directory_;             // the one that is being listed, at at_
  std::filesystem::directory_iterator at_;
  std::vector<file_error> errors_;
};

}  // namespace wordcount
