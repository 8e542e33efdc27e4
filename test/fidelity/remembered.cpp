// O_NONBLOCK, set and cleared in every way on sockets on which a read has waited before: whatever has been found out of
// the flag then must not outlive a change, by whomever.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <cstdlib>
#include <functional>

#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

constexpr kind kinds[] = {kind::tcp4, kind::unix_stream, kind::udp4};

/// Sets the flag, or clears it.
using way = std::function<void(int fd, bool on)>;

/// A read that waits, one that must not, and one that waits again.
void changed(outcome& out, kind of_pair, const way& set) {
  const fd_pair pair = reading_pair(of_pair);
  set_timeout(pair.near, SO_RCVTIMEO, 1, 0);  // so that a wait that should not be ends
  note_waiting_read(out, pair.near, pair.far);
  set(pair.near, true);
  const stopwatch watch;
  out.note("flags", flags_text(pair.near));
  note_read(out, pair.near);
  out.note("took", watch.against(1000ms));
  set(pair.near, false);
  out.note("flags", flags_text(pair.near));
  note_waiting_read(out, pair.near, pair.far);
}

void by_fcntl(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

void by_ioctl(int fd, bool on) {
  int value = on ? 1 : 0;
  ::ioctl(fd, FIONBIO, &value);
}

void by_fcntl_made_by_number(int fd, bool on) {
  const long flags = ::syscall(SYS_fcntl, fd, F_GETFL);
  ::syscall(SYS_fcntl, fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~static_cast<long>(O_NONBLOCK));
}

void by_ioctl_made_by_number(int fd, bool on) {
  int value = on ? 1 : 0;
  ::syscall(SYS_ioctl, fd, FIONBIO, &value);
}

void by_duplicate(int fd, bool on) {
  const owned_fd twin(::dup(fd));
  by_fcntl(twin, on);
}

void by_thread(int fd, bool on) {
  peer([=](peer&) { by_ioctl(fd, on); }).join();
}

void by_forked_child(int fd, bool on) {
  const pid_t child = ::fork();
  if (child == 0) {
    by_fcntl(fd, on);
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
}

/// A Python program that sets the flag of a descriptor that it has inherited, or clears it.
std::string program(int fd, bool on) {
  const std::string number = std::to_string(fd);
  return "import fcntl, os; f = fcntl.fcntl(" + number + ", fcntl.F_GETFL); fcntl.fcntl(" + number +
         ", fcntl.F_SETFL, f " + (on ? "| os.O_NONBLOCK)" : "& ~os.O_NONBLOCK)");
}

std::string command(int fd, bool on) { return "python3 -c '" + program(fd, on) + "'"; }

/// Closes on exec, but not meanwhile.
class inheritable {
 public:
  explicit inheritable(int fd) : fd_(fd) { ::fcntl(fd_, F_SETFD, 0); }
  ~inheritable() { ::fcntl(fd_, F_SETFD, FD_CLOEXEC); }
  inheritable(const inheritable&) = delete;
  inheritable& operator=(const inheritable&) = delete;

 private:
  const int fd_;
};

void by_system(int fd, bool on) {
  const inheritable open(fd);
  static_cast<void>(::system(command(fd, on).c_str()));
}

void by_popen(int fd, bool on) {
  const inheritable open(fd);
  ::pclose(::popen(command(fd, on).c_str(), "re"));
}

void by_spawned_program(int fd, bool on) {
  const inheritable open(fd);
  char name[] = "python3";
  char option[] = "-c";
  std::string text = program(fd, on);
  char* const arguments[] = {name, option, text.data(), nullptr};
  pid_t process = -1;
  ::posix_spawnp(&process, name, nullptr, nullptr, arguments, environ);
  ::waitpid(process, nullptr, 0);
}

/// Sends a descriptor along with a byte that says what to do with it.
void send_descriptor(int to, int fd, char byte) {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec part{&byte, 1};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  *reinterpret_cast<int*>(CMSG_DATA(header)) = fd;
  ::sendmsg(to, &message, MSG_NOSIGNAL);
}

/// A process that is older than the sockets gets them over another one.
[[noreturn]] void serve_descriptors(int from) {
  for (;;) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    char byte = 0;
    iovec part{&byte, 1};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(from, &message, 0) != 1) {
      ::_exit(0);
    }
    const cmsghdr* const header = CMSG_FIRSTHDR(&message);
    if (header != nullptr) {
      const int fd = *reinterpret_cast<const int*>(CMSG_DATA(header));
      by_fcntl(fd, byte == '1');
      ::close(fd);
    }
    static_cast<void>(!::write(from, &byte, 1));
  }
}

void by_receiver(outcome& out, kind of_pair) {
  fd_pair line = socket_pair(SOCK_STREAM);
  const pid_t child = ::fork();
  if (child == 0) {
    line.near.reset();
    serve_descriptors(line.far);
  }
  line.far.reset();
  changed(out, of_pair, [&](int fd, bool on) {
    send_descriptor(line.near, fd, on ? '1' : '0');
    char answer = 0;
    static_cast<void>(!::read(line.near, &answer, 1));
  });
  line.near.reset();
  ::waitpid(child, nullptr, 0);
}

}  // namespace

void add_remembered(probe_list& list) {
  struct row {
    const char* name;
    void (*set)(int fd, bool on);
  };
  static constexpr row rows[] = {
      {"fcntl", by_fcntl},
      {"ioctl", by_ioctl},
      {"fcntl by its number", by_fcntl_made_by_number},
      {"ioctl by its number", by_ioctl_made_by_number},
      {"a duplicate", by_duplicate},
      {"a thread", by_thread},
      {"a forked child", by_forked_child},
      {"a program of system", by_system},
      {"a program of popen", by_popen},
      {"a spawned program", by_spawned_program},
  };
  for (const kind of_pair : kinds) {
    const std::string of = name_of(of_pair);
    for (const row& each : rows) {
      list.add("O_NONBLOCK after a wait, by " + std::string(each.name) + ", " + of,
               [=](outcome& out) { changed(out, of_pair, each.set); });
    }
    list.add("O_NONBLOCK after a wait, by a receiver, " + of, [=](outcome& out) { by_receiver(out, of_pair); });
  }
}

}  // namespace fidelity
