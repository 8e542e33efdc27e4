// See walk.h.

#include "walk.h"

#include <utility>

namespace wordcount {

namespace fs = std::filesystem;

namespace {

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

}  // namespace

bool tree_walker::next(file_batch& out) {
  while (out.size() < batch_size) {
    if (at_ != fs::directory_iterator()) {
      take(*at_, out);
      std::error_code error;
      at_.increment(error);
      if (error) {
        errors_.push_back({directory_, error});
      }
    } else if (!pending_.empty()) {
      std::string path = std::move(pending_.back());
      pending_.pop_back();
      open(std::move(path), out);
    } else {
      return false;
    }
  }
  return true;
}

std::vector<file_error> tree_walker::take_errors() { return std::exchange(errors_, {}); }

// Begins to list a directory. A path that the user named may be a file as well.
void tree_walker::open(std::string path, file_batch& out) {
  std::error_code error;
  at_ = fs::directory_iterator(path, error);
  if (error == std::errc::not_a_directory && is_file(path)) {
    out.push_back(std::move(path));
  } else if (error) {
    errors_.push_back({std::move(path), error});
  } else {
    directory_ = std::move(path);
  }
}

// The kind of most entries comes with the listing, without a system call for each.
void tree_walker::take(const fs::directory_entry& entry, file_batch& out) {
  std::error_code vanished;  // meanwhile; then it is none of these
  if (entry.is_symlink(vanished)) {
    return;
  }
  if (entry.is_directory(vanished)) {
    pending_.push_back(entry.path().native());
  } else if (entry.is_regular_file(vanished)) {
    out.push_back(entry.path().native());
  }
}

}  // namespace wordcount
