// Processes: waiting for them, fork and vfork inside a task, and what they inherit.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <spawn.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace fidelity {

namespace {

using namespace std::chrono_literals;

/// A child that runs until the release pipe is closed or written to, and then exits with `status`.
class child {
 public:
  explicit child(int status) {
    int ends[2];
    must(::pipe2(ends, O_CLOEXEC), "pipe2");
    const owned_fd reads(ends[0]);
    release_ = owned_fd(ends[1]);
    process_ = must(::fork(), "fork");
    if (process_ == 0) {
      release_.reset();
      char byte = 0;
      static_cast<void>(::read(reads, &byte, 1));
      ::_exit(status);
    }
  }
  ~child() {
    release_.reset();
    if (!waited_) {
      ::waitpid(process_, nullptr, 0);
    }
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;

  operator pid_t() const noexcept { return process_; }  // NOLINT(google-explicit-constructor)
  void end() { release_.reset(); }
  void was_waited_for() { waited_ = true; }

 private:
  owned_fd release_;
  pid_t process_ = -1;
  bool waited_ = false;
};

std::string status_text(int status) {
  if (WIFEXITED(status)) {
    return "exit " + std::to_string(WEXITSTATUS(status));
  }
  if (WIFSIGNALED(status)) {
    return std::string("signal ") + sigabbrev_np(WTERMSIG(status));
  }
  return WIFSTOPPED(status) ? "stopped" : std::to_string(status);
}

/// "the child" or the number, for what wait returned.
void note_waited(outcome& out, const char* what, result got, pid_t expected, int status) {
  if (got.value == expected) {
    got.value = 1;
    out.note(std::string(what) + " (1: the child)", got).note("status", status_text(status));
  } else {
    out.note(what, got);
  }
}

/// Waits for the end of a process that the probe has made.
void note_end(outcome& out, pid_t process) {
  int status = -1;
  const result got = call([&] { return ::waitpid(process, &status, 0); });
  note_waited(out, "waitpid", got, process, status);
}

using wait_call = pid_t (*)(pid_t process, int* status);

void waits(outcome& out, wait_call waits_for) {
  child one(7);
  peer other([&](peer& self) {
    self.until_blocked();
    one.end();
  });
  int status = -1;
  const result got = call([&] { return waits_for(one, &status); });
  one.was_waited_for();
  note_waited(out, "wait", got, one, status);
  out.note("again", call([&] { return waits_for(one, &status); }));
}

void has_ended(outcome& out, wait_call waits_for) {
  child one(3);
  one.end();
  siginfo_t about{};
  ::waitid(P_PID, static_cast<id_t>(pid_t{one}), &about, WEXITED | WNOWAIT);
  int status = -1;
  const result got = call([&] { return waits_for(one, &status); });
  one.was_waited_for();
  note_waited(out, "wait", got, one, status);
}

void killed(outcome& out) {
  child one(0);
  peer other([&](peer& self) {
    self.until_blocked();
    ::kill(one, SIGKILL);
  });
  int status = -1;
  const result got = call([&] { return ::waitpid(one, &status, 0); });
  one.was_waited_for();
  note_waited(out, "waitpid", got, one, status);
}

void stopped(outcome& out) {
  child one(5);
  peer other([&](peer& self) {
    self.until_blocked();
    ::kill(one, SIGSTOP);
  });
  int status = -1;
  const result got = call([&] { return ::waitpid(one, &status, WUNTRACED); });
  note_waited(out, "WUNTRACED", got, one, status);
  other.join();
  peer again([&](peer& self) {
    self.until_blocked();
    ::kill(one, SIGCONT);
  });
  const result continued = call([&] { return ::waitpid(one, &status, WCONTINUED); });
  out.note("WCONTINUED", continued.value == one).note("continued", WIFCONTINUED(status));
}

void options(outcome& out) {
  child one(9);
  int status = -1;
  out.note("WNOHANG", call([&] { return ::waitpid(one, &status, WNOHANG); })).note("status", std::to_string(status));
  out.note("wrong option", call([&] { return ::waitpid(one, &status, 0x4000); }));
  out.note("no child", call([&] { return ::waitpid(::getppid(), &status, 0); }));
  out.note("no group", call([&] { return ::waitpid(-0x3fff'fff0, &status, 0); }));
  rusage usage{};
  one.end();
  const result got = call([&] { return ::wait4(one, &status, 0, &usage); });
  one.was_waited_for();
  note_waited(out, "wait4", got, one, status);
  out.note("usage filled", usage.ru_maxrss > 0);
  out.note("nobody left", call([] { return ::wait(nullptr); }));
  out.note("bad address", call([] { return ::waitpid(-1, static_cast<int*>(bad_address()), 0); }));
}

std::string info_text(const siginfo_t& about, pid_t expected) {
  return std::string(about.si_pid == expected ? "the child" : "somebody") + " code " + std::to_string(about.si_code) +
         " status " + std::to_string(about.si_status) + " signal " + std::to_string(about.si_signo);
}

void waits_by_id(outcome& out, idtype_t type) {
  child one(4);
  const owned_fd process(::pidfd_open(one, 0));
  const auto which = static_cast<id_t>(type == P_PIDFD ? int{process} : type == P_PID ? pid_t{one} : 0);
  siginfo_t about{};
  about.si_pid = -1;
  out.note("WNOHANG", call([&] { return ::waitid(type, which, &about, WEXITED | WNOHANG); }));
  out.note("nobody yet", about.si_pid == 0);
  peer other([&](peer& self) {
    self.until_blocked();
    one.end();
  });
  out.note("WNOWAIT", call([&] { return ::waitid(type, which, &about, WEXITED | WNOWAIT); }));
  out.note("info", info_text(about, one));
  about = {};
  out.note("waitid", call([&] { return ::waitid(type, which, &about, WEXITED); }));
  one.was_waited_for();
  out.note("info", info_text(about, one));
  out.note("again", call([&] { return ::waitid(type, which, &about, WEXITED); }));
  out.note("no options", call([&] { return ::waitid(P_ALL, 0, &about, 0); }));
}

/// Several children: the one that ends is reported, whichever was asked for.
void any_child(outcome& out) {
  child first(1);
  child second(2);
  peer other([&](peer& self) {
    self.until_blocked();
    second.end();
  });
  int status = -1;
  const result got = call([&] { return ::waitpid(-1, &status, 0); });
  second.was_waited_for();
  note_waited(out, "any", got, second, status);
  other.join();
  peer another([&](peer& self) {
    self.until_blocked();
    first.end();
  });
  const result group = call([&] { return ::waitpid(0, &status, 0); });
  first.was_waited_for();
  note_waited(out, "own group", group, first, status);
}

/// In a child of fork the plain calls work: pipes, polls, sleeps, and children of its own.
void calls_after_fork(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  const pid_t process = ::fork();
  if (process == 0) {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {
      ::usleep(20'000);
      put(pair.near, "x");
      ::_exit(42);
    }
    char byte = 0;
    int status = 0;
    pollfd entry{pair.far, POLLIN, 0};
    int ends[2];
    bool good = ::poll(&entry, 1, 3000) == 1 && ::read(pair.far, &byte, 1) == 1;
    good = good && ::waitpid(grandchild, &status, 0) == grandchild && WEXITSTATUS(status) == 42;
    good = good && ::pipe(ends) == 0 && put(ends[1], "yz") && ::close(ends[1]) == 0 && get(ends[0], 3) == "yz";
    good = good && ::usleep(1000) == 0;
    ::_exit(good ? 0 : 1);
  }
  note_end(out, process);
}

void after_vfork(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  const char* const arguments[] = {"/bin/echo", "from the child", nullptr};
  const pid_t process = ::vfork();
  if (process == 0) {
    ::dup2(pair.far, 1);
    ::execv(arguments[0], const_cast<char* const*>(arguments));
    ::_exit(99);
  }
  note_end(out, process);
  note_read(out, pair.near);
  out.note("flags", flags_text(pair.near) + ", " + flags_text(pair.far));
}

/// A program that knows nothing of libcsp gets a descriptor that blocks, and sends back what it is sent.
void through_cat(outcome& out, bool by_pipe) {
  fd_pair in = by_pipe ? writing_pair(kind::pipe) : socket_pair(SOCK_STREAM);
  fd_pair back = by_pipe ? reading_pair(kind::pipe) : socket_pair(SOCK_STREAM);
  for (const int fd : {int{in.near}, int{back.near}}) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  {  // used before, so that libcsp has done to them whatever it does
    peer other([&](peer& self) {
      self.until_blocked();
      put(back.far, "warm");
    });
    note_read(out, back.near);
  }
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.far, 0);
  ::posix_spawn_file_actions_adddup2(&actions, back.far, 1);
  char name[] = "cat";
  char* const arguments[] = {name, nullptr};
  pid_t process = -1;
  out.note("spawn", std::to_string(::posix_spawnp(&process, name, &actions, nullptr, arguments, environ)));
  ::posix_spawn_file_actions_destroy(&actions);
  in.far.reset();
  back.far.reset();
  ::usleep(20'000);  // cat waits for its input; it would end at once if that did not block
  note_read(out, read_call_named("read"), back.near, 0);
  const std::string data = pattern(300'000);
  peer writer([&](peer&) {
    put(in.near, data);
    in.near.reset();
  });
  out.note("came back", get(back.near, data.size() + 1) == data);
  note_end(out, process);
}

/// popen, system and pclose wait inside libc.
void library_calls(outcome& out) {
  out.note("system", call([] { return ::system("exit 3"); }));
  FILE* const stream = ::popen("echo hello; exit 2", "re");
  std::array<char, 20> line{};
  out.note("fgets", std::fgets(line.data(), line.size(), stream) != nullptr).note("line", bytes_text(line.data()));
  out.note("pclose", status_text(::pclose(stream)));
}

}  // namespace

void add_children(probe_list& list) {
  struct row {
    const char* name;
    wait_call waits;
  };
  static constexpr row rows[] = {
      {"waitpid", [](pid_t process, int* status) { return ::waitpid(process, status, 0); }},
      {"__waitpid", [](pid_t process, int* status) { return ::__waitpid(process, status, 0); }},
      {"wait4", [](pid_t process, int* status) { return ::wait4(process, status, 0, nullptr); }},
      {"wait", [](pid_t, int* status) { return ::wait(status); }},
      {"__wait", [](pid_t, int* status) { return ::__wait(status); }},
      {"wait3", [](pid_t, int* status) { return ::wait3(status, 0, nullptr); }},
  };
  for (const row& each : rows) {
    list.add(std::string(each.name) + " waits", [&](outcome& out) { waits(out, each.waits); });
    list.add(std::string(each.name) + " of one that has ended", [&](outcome& out) { has_ended(out, each.waits); });
  }
  list.add("waitpid of a killed child", killed);
  list.add("waitpid of a stopped child", stopped);
  list.add("waitpid's options", options);
  list.add("waitid of a process", [](outcome& out) { waits_by_id(out, P_PID); });
  list.add("waitid of a pidfd", [](outcome& out) { waits_by_id(out, P_PIDFD); });
  list.add("waitid of all", [](outcome& out) { waits_by_id(out, P_ALL); });
  list.add("waitpid of any child", any_child);
  list.add("calls after fork", calls_after_fork);
  list.add("calls after vfork", after_vfork);
  list.add("a pipe through cat", [](outcome& out) { through_cat(out, true); });
  list.add("a socket pair through cat", [](outcome& out) { through_cat(out, false); });
  list.add("system and popen", library_calls);
}

}  // namespace fidelity
