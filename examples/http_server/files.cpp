#include "files.h"

#include <libcsp/csp.h>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace http {

namespace {

// A larger piece saves little more; each connection that sends a file holds one.
constexpr std::size_t piece_size = 64 * 1024;

struct type_of_ending {
  std::string_view ending;
  std::string_view type;
};
constexpr std::array types{
    type_of_ending{".html", "text/html; charset=utf-8"},
    type_of_ending{".css", "text/css; charset=utf-8"},
    type_of_ending{".js", "text/javascript; charset=utf-8"},
    type_of_ending{".json", "application/json"},
    type_of_ending{".txt", "text/plain; charset=utf-8"},
    type_of_ending{".md", "text/plain; charset=utf-8"},
    type_of_ending{".svg", "image/svg+xml"},
    type_of_ending{".png", "image/png"},
    type_of_ending{".jpg", "image/jpeg"},
    type_of_ending{".ico", "image/x-icon"},
};

std::string_view type_of(std::string_view path) {
  const auto found =
      std::ranges::find_if(types, [&](const type_of_ending& each) { return path.ends_with(each.ending); });
  return found == types.end() ? "application/octet-stream" : found->type;
}

int status_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return 404;
    case EACCES:
    case ELOOP:
    case EXDEV:  // a symbolic link leads out of the folder
      return 403;
    case EMFILE:
    case ENFILE:
      return 503;
    default:
      return 500;
  }
}

// openat2(2) lets the kernel see to it that nothing leads out of the folder, whatever happens in it meanwhile.
file_handle open_beneath(const file_handle& root, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;  // non-blocking, in case that it is a pipe
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  return file_handle(static_cast<int>(::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

int open_regular(const file_handle& root, const std::string& path, open_file& file, std::string& first_piece) {
  file.handle = open_beneath(root, path);
  if (!file.handle) {
    return status_of(errno);
  }
  struct stat found {};
  if (::fstat(file.handle.get(), &found) != 0) {
    return 500;
  }
  if (!S_ISREG(found.st_mode)) {
    return 404;
  }
  file.size = static_cast<std::size_t>(found.st_size);
  file.position = 0;
  return file.size == 0 || file.read_some(first_piece) ? 200 : 500;
}

}  // namespace

file_handle::~file_handle() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

bool open_file::read_some(std::string& out) {
  const std::size_t before = out.size();
  out.resize(before + std::min(piece_size, size - position));
  ssize_t count = 0;
  do {
    count = ::pread(handle.get(), out.data() + before, out.size() - before, static_cast<off_t>(position));
  } while (count < 0 && errno == EINTR);
  out.resize(before + static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  position += out.size() - before;
  return count > 0;
}

folder::folder(const std::string& path) : handle_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!handle_) {
    throw std::system_error(errno, std::generic_category(), path);
  }
}

int folder::open(const std::string& path, open_file& file, std::string& first_piece) const {
  if (path.find("/.") != std::string::npos) {
    return 404;
  }
  const std::string name = path.substr(1) + (path.ends_with('/') ? "index.html" : "");
  file.type = type_of(name);
  return csp::blocking([&] { return open_regular(handle_, name, file, first_piece); });
}

}  // namespace http
