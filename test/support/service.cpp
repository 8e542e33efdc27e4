#include "test/support/service.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <thread>

namespace csp_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto start_limit = std::chrono::seconds(30);

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

/// Null-terminated, for exec.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts) {
    result.push_back(const_cast<char*>(text.c_str()));
  }
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_with(const service::environment& more) {
  std::vector<std::string> result;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view text(*each);
    bool replaced = false;
    for (const auto& [name, value] : more) {
      replaced = replaced || text.starts_with(name + "=");
    }
    if (!replaced) {
      result.emplace_back(text);
    }
  }
  for (const auto& [name, value] : more) {
    result.push_back(name + "=" + value);
  }
  return result;
}

/// In the child: nothing here allocates or locks.
[[noreturn]] void become(char* const* arguments, char* const* variables, int output, int errors) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::dup2(output, STDOUT_FILENO) >= 0 && ::dup2(errors, STDERR_FILENO) >= 0) {
    ::execve(arguments[0], arguments, variables);
  }
  ::_exit(127);
}

/// True when `fd` is readable in time.
bool readable_until(int fd, steady_clock::time_point deadline) {
  pollfd subject{fd, POLLIN, 0};
  int count = 0;
  do {
    const auto rest = std::chrono::ceil<milliseconds>(deadline - steady_clock::now()).count();
    count = ::poll(&subject, 1, static_cast<int>(rest > 0 ? rest : 0));
  } while (count < 0 && errno == EINTR);
  return count > 0;
}

}  // namespace

std::string example_path(const std::string& name) { return std::string(CSP_TEST_EXAMPLES) + "/" + name; }

finished run_to_end(const std::string& command) {
  FILE* const pipe = ::popen(("{ " + command + "; } 2>&1").c_str(), "re");
  if (pipe == nullptr) {
    fail(command);
  }
  finished result;
  char buffer[4096];
  for (std::size_t count; (count = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) {
    result.output.append(buffer, count);
  }
  result.status = ::pclose(pipe);
  return result;
}

service::service(const std::vector<std::string>& command, const environment& more) {
  const std::vector<std::string> variables = environment_with(more);
  const std::vector<char*> arguments = pointers(command);
  const std::vector<char*> variable_pointers = pointers(variables);
  int ends[2];
  errors_ = ::memfd_create("errors", MFD_CLOEXEC);
  if (errors_ < 0 || ::pipe2(ends, O_CLOEXEC) != 0) {
    fail("service");
  }
  output_ = ends[0];
  id_ = ::fork();
  if (id_ == 0) {
    become(arguments.data(), variable_pointers.data(), ends[1], errors_);
  }
  ::close(ends[1]);
  if (id_ < 0) {
    fail("fork");
  }
  read_port();
}

service::~service() {
  if (id_ > 0) {
    end(milliseconds(0));
  }
  ::close(output_);
  ::close(errors_);
}

void service::read_port() {
  constexpr std::string_view promise = "listening on 127.0.0.1:";
  const auto deadline = steady_clock::now() + start_limit;
  std::string line;
  char byte = 0;
  while (readable_until(output_, deadline) && ::read(output_, &byte, 1) == 1 && byte != '\n') {
    line += byte;
  }
  port_ = line.starts_with(promise) ? std::atoi(line.c_str() + promise.size()) : 0;
  if (port_ == 0) {
    const std::string said = errors();
    end(milliseconds(0));
    throw std::runtime_error("a service did not start; it said: " + line + "\n" + said);
  }
}

void service::send(int signal) const noexcept { ::kill(id_, signal); }

int service::end(milliseconds limit) {
  const int watch = static_cast<int>(::syscall(SYS_pidfd_open, id_, 0));
  if (watch < 0 || !readable_until(watch, steady_clock::now() + limit)) {
    send(SIGKILL);
  }
  ::close(watch);
  int status = 0;
  while (::waitpid(id_, &status, 0) < 0 && errno == EINTR) {
  }
  id_ = -1;
  return status;
}

std::size_t service::descriptors() const {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(id_) + "/fd");
  return static_cast<std::size_t>(std::distance(all, {}));
}

milliseconds service::processor_time() const {
  std::ifstream in("/proc/" + std::to_string(id_) + "/stat");
  std::string text;
  std::getline(in, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));  // the name before may hold anything
  std::string skipped;
  for (int i = 0; i < 11; ++i) {
    fields >> skipped;
  }
  long user = 0;
  long system = 0;
  fields >> user >> system;  // proc(5), fields 14 and 15
  return milliseconds((user + system) * 1000 / ::sysconf(_SC_CLK_TCK));
}

template <class Holds>
bool service::await(Holds holds, milliseconds limit) {
  const auto deadline = steady_clock::now() + limit;
  while (!holds()) {
    if (steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

bool service::has_at_most(std::size_t count, milliseconds limit) const {
  return await([&] { return descriptors() <= count; }, limit);
}

bool service::has_at_least(std::size_t count, milliseconds limit) const {
  return await([&] { return descriptors() >= count; }, limit);
}

std::string service::errors() const {
  std::string result(static_cast<std::size_t>(::lseek(errors_, 0, SEEK_END)), '\0');
  const ssize_t count = ::pread(errors_, result.data(), result.size(), 0);
  result.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return result;
}

std::string service::output() {
  std::string result;
  char buffer[4096];
  for (ssize_t count; (count = ::read(output_, buffer, sizeof buffer)) > 0;) {
    result.append(buffer, static_cast<std::size_t>(count));
  }
  return result;
}

}  // namespace csp_test
