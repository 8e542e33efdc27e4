// File locks that wait for another party, and syncing.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <csignal>

#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fidelity {

namespace {

owned_fd opened(const temporary_folder& folder, int flags = O_RDWR) {
  return owned_fd(must(::open(folder.file("file").c_str(), flags | O_CLOEXEC), "open"));
}

void whole_file_locks(outcome& out) {
  const temporary_folder folder;
  const owned_fd first = file_with(folder, "content");
  const owned_fd second = opened(folder);
  out.note("exclusive", call([&] { return ::flock(first, LOCK_EX); }));
  out.note("at once", call([&] { return ::flock(second, LOCK_EX | LOCK_NB); }));
  peer other([&](peer& self) {
    self.until_blocked();
    ::flock(first, LOCK_UN);
  });
  out.note("waits", call([&] { return ::flock(second, LOCK_EX); }));
  other.join();
  out.note("turned round", call([&] { return ::flock(first, LOCK_SH | LOCK_NB); }));
  out.note("unlock", call([&] { return ::flock(second, LOCK_UN); }));
  out.note("shared", call([&] { return ::flock(first, LOCK_SH); }));
  out.note("shared too", call([&] { return ::flock(second, LOCK_SH); }));
  out.note("wrong", call([&] { return ::flock(second, 77); }));
  out.note("no fd", call([] { return ::flock(far_too_high_fd, LOCK_EX); }));
  const fd_pair pair = socket_pair(SOCK_STREAM);
  out.note("a socket", call([&] { return ::flock(pair.near, LOCK_EX | LOCK_NB); }));
}

struct flock whole(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// A lock of an open file, against another open file of the same process.
void open_file_locks(outcome& out) {
  const temporary_folder folder;
  const owned_fd first = file_with(folder, "content");
  const owned_fd second = opened(folder);
  struct flock exclusive = whole(F_WRLCK);
  struct flock none = whole(F_UNLCK);
  out.note("exclusive", call([&] { return ::fcntl(first, F_OFD_SETLK, &exclusive); }));
  out.note("at once", call([&] { return ::fcntl(second, F_OFD_SETLK, &exclusive); }));
  struct flock asked = whole(F_WRLCK);
  out.note("F_OFD_GETLK", call([&] { return ::fcntl(second, F_OFD_GETLK, &asked); }));
  out.note("type", std::to_string(asked.l_type)).note("owner", std::to_string(asked.l_pid));
  peer other([&](peer& self) {
    self.until_blocked();
    ::fcntl(first, F_OFD_SETLK, &none);
  });
  out.note("waits", call([&] { return ::fcntl(second, F_OFD_SETLKW, &exclusive); }));
}

/// A lock of a process, against another process.
void process_locks(outcome& out, int (*locks)(int fd)) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  const fd_pair ready = reading_pair(kind::pipe);
  fd_pair release = writing_pair(kind::pipe);
  const pid_t process = must(::fork(), "fork");
  if (process == 0) {
    release.near.reset();
    struct flock exclusive = whole(F_WRLCK);
    ::fcntl(file, F_SETLK, &exclusive);
    put(ready.far, "x");
    get(release.far, 1);
    ::_exit(0);
  }
  get(ready.near, 1);
  struct flock exclusive = whole(F_WRLCK);
  out.note("at once", call([&] { return ::fcntl(file, F_SETLK, &exclusive); }));
  struct flock asked = whole(F_RDLCK);
  out.note("F_GETLK", call([&] { return ::fcntl(file, F_GETLK, &asked); }));
  out.note("type", std::to_string(asked.l_type)).note("owner", asked.l_pid == process);
  peer other([&](peer& self) {
    self.until_blocked();
    release.near.reset();
  });
  out.note("waits", call([&] { return locks(file); }));
  ::waitpid(process, nullptr, 0);
}

void wrong_locks(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  const owned_fd reading = opened(folder, O_RDONLY);
  struct flock exclusive = whole(F_WRLCK);
  struct flock wrong = whole(77);
  out.note("read only", call([&] { return ::fcntl(reading, F_SETLKW, &exclusive); }));
  out.note("wrong type", call([&] { return ::fcntl(file, F_SETLKW, &wrong); }));
  out.note("no fd", call([&] { return ::fcntl(far_too_high_fd, F_SETLKW, &exclusive); }));
  out.note("bad address", call([&] { return ::fcntl(file, F_SETLKW, bad_address()); }));
  exclusive.l_pid = 5;
  out.note("open file's with an owner", call([&] { return ::fcntl(file, F_OFD_SETLKW, &exclusive); }));
  // A process' own locks never stop it, and any close of the file gives them up.
  exclusive.l_pid = 0;
  out.note("own", call([&] { return ::fcntl(file, F_SETLKW, &exclusive); }));
  out.note("own again", call([&] { return ::fcntl(file, F_SETLKW, &exclusive); }));
  out.note("lockf", call([&] { return ::lockf(file, F_TLOCK, 0); }));
}

/// A ring of waiting locks is an error for the one that would close it.
void deadlock(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  const fd_pair ready = reading_pair(kind::pipe);
  struct flock first = whole(F_WRLCK);
  first.l_len = 1;
  struct flock second = first;
  second.l_start = 1;
  ::fcntl(file, F_SETLK, &first);
  const pid_t process = must(::fork(), "fork");
  if (process == 0) {
    ::fcntl(file, F_SETLK, &second);
    put(ready.far, "x");
    ::fcntl(file, F_SETLKW, &first);
    ::_exit(0);
  }
  get(ready.near, 1);
  ::usleep(50'000);  // until the child waits
  out.note("deadlock", call([&] { return ::fcntl(file, F_SETLKW, &second); }));
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
}

void syncing(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "content");
  const owned_fd at(::open("/tmp", O_RDONLY));
  const fd_pair pipe = writing_pair(kind::pipe);
  const fd_pair pair = socket_pair(SOCK_STREAM);
  struct row {
    const char* name;
    int fd;
  };
  for (const row& each : {row{"file", file}, row{"folder", at}, row{"pipe", pipe.near}, row{"socket", pair.near},
                          row{"no fd", -1}, row{"closed", far_too_high_fd}}) {
    out.note(std::string("fsync ") + each.name, call([&] { return ::fsync(each.fd); }));
    out.note(std::string("fdatasync ") + each.name, call([&] { return ::fdatasync(each.fd); }));
  }
  out.note("flags", flags_text(file));
}

}  // namespace

void add_locks(probe_list& list) {
  list.add("flock", whole_file_locks);
  list.add("F_OFD_SETLKW", open_file_locks);
  list.add("F_SETLKW", [](outcome& out) {
    process_locks(out, [](int fd) {
      struct flock exclusive = whole(F_WRLCK);
      return ::fcntl(fd, F_SETLKW, &exclusive);
    });
  });
  list.add("F_SETLKW by fcntl64", [](outcome& out) {
    process_locks(out, [](int fd) {
      struct flock exclusive = whole(F_WRLCK);
      return ::fcntl64(fd, F_SETLKW, &exclusive);
    });
  });
  list.add("F_SETLKW, wrong arguments", wrong_locks);
  list.add("F_SETLKW, deadlock", deadlock);
  list.add("fsync and fdatasync", syncing);
}

}  // namespace fidelity
