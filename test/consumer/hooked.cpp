// The hooks in an installed libcsp: on one processor a task that blocks in read(2), in this program's code and in a
// library that is loaded while it runs, must not keep another task from writing what it waits for.
#include <libcsp/csp.h>

#include <dlfcn.h>
#include <unistd.h>
#include <cstdio>

namespace {

int read_here(int fd) {
  char byte = 0;
  return ::read(fd, &byte, 1) == 1 ? byte : -1;
}

int read_by(int (*reader)(int)) {
  int ends[2];
  if (::pipe(ends) != 0) {
    return -1;
  }
  auto waiting = csp::spawn([&] { return reader(ends[0]); });
  auto writing = csp::spawn([&] { return ::write(ends[1], "x", 1); });
  const int byte = writing.join() == 1 ? waiting.join() : -1;
  ::close(ends[0]);
  ::close(ends[1]);
  return byte;
}

}  // namespace

int main(int count, char** arguments) {
  void* const plugin = count == 2 ? dlopen(arguments[1], RTLD_NOW) : nullptr;
  auto* const read_in_plugin =
      plugin != nullptr ? reinterpret_cast<int (*)(int)>(dlsym(plugin, "read_a_byte")) : nullptr;
  if (read_in_plugin == nullptr) {
    std::fprintf(stderr, "no plugin: %s\n", dlerror());
    return 1;
  }
  csp::options one;
  one.processors = 1;
  one.spares = 0;  // a thread that blocks blocks the program
  const bool right = csp::run(one, [&] { return read_by(read_here) == 'x' && read_by(read_in_plugin) == 'x'; });
  std::printf("hooks %s\n", right ? "work" : "do not work");
  return right ? 0 : 1;
}
