// Files below one folder, for a server. Reading them blocks a thread, so it is done by csp::blocking.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace http {

// Owns a descriptor of a file.
class file_handle {
 public:
  file_handle() = default;
  explicit file_handle(int fd) : fd_(fd) {}
  file_handle(file_handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  file_handle& operator=(file_handle&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~file_handle();

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// A regular file that is being read.
class open_file {
 public:
  std::string_view type;
  std::size_t size = 0;

  // Reads the next piece, 64 KiB at the most, behind what `out` holds. False at an error, or when the file has become
  // shorter than it was. Blocks; no csp operation is in it.
  bool read_some(std::string& out);

  file_handle handle;
  std::size_t position = 0;
};

class folder {
 public:
  // Throws std::system_error when it cannot be opened.
  explicit folder(const std::string& path);

  // Opens the file that the path of a request names, index.html for one that ends with '/', and reads its first piece.
  // 200, or the status that says why not. Nothing outside the folder is ever opened, nor a name that begins with a dot.
  // The task waits while the file system works.
  int open(const std::string& path, open_file& file, std::string& first_piece) const;

 private:
  file_handle handle_;
};

}  // namespace http
