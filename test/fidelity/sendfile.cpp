// sendfile, in both of its names.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <csignal>

#include <sys/sendfile.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

void offsets(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "0123456789");
  const fd_pair pair = socket_pair(SOCK_STREAM);
  off_t offset = 2;
  out.note("sendfile", call([&] { return ::sendfile(pair.near, file, &offset, 3); }));
  out.note("offset", std::to_string(offset)).note("file's", std::to_string(::lseek(file, 0, SEEK_CUR)));
  out.note("sendfile64", call([&] { return ::sendfile64(pair.near, file, nullptr, 4); }));
  out.note("file's", std::to_string(::lseek(file, 0, SEEK_CUR)));
  out.note("more than there is", call([&] { return ::sendfile(pair.near, file, nullptr, 100); }));
  out.note("at the end", call([&] { return ::sendfile(pair.near, file, nullptr, 100); }));
  out.note("nothing", call([&] { return ::sendfile(pair.near, file, &offset, 0); }));
  out.note("the other got", get(pair.far, 13));
  out.note("flags", flags_text(pair.near) + ", " + flags_text(file));
}

void to_slow_reader(outcome& out, kind of_pair, bool with_offset) {
  const temporary_folder folder;
  const std::string data = pattern(3'000'000);
  const owned_fd file = file_with(folder, data);
  fd_pair pair = tight_pair(of_pair);
  if (of_pair == kind::pipe) {  // takes what there is room for and does not wait, unless there is none at all
    ::fcntl(pair.near, F_SETPIPE_SZ, 4096);
    put(pair.near, data.substr(0, 4096));
  }
  std::string got;
  peer reader([&](peer& self) {
    self.until_blocked();
    got = get(pair.far, 100'000);
    got += get(pair.far, data.size());
  });
  off_t offset = 0;
  const result sent = call([&] { return ::sendfile(pair.near, file, with_offset ? &offset : nullptr, data.size()); });
  out.note("sendfile", sent).note("flags", flags_text(pair.near)).note("offset", std::to_string(offset));
  out.note("file's", std::to_string(::lseek(file, 0, SEEK_CUR)));
  pair.near.reset();
  reader.join();
  out.note("the other got", bytes_text(got));
}

void nonblocking(outcome& out, kind of_pair) {
  const temporary_folder folder;
  const std::string data = pattern(3'000'000);
  const owned_fd file = file_with(folder, data);
  const fd_pair pair = tight_pair(of_pair);
  ::fcntl(pair.near, F_SETFL, O_NONBLOCK);
  off_t offset = 0;
  const result first = call([&] { return ::sendfile(pair.near, file, &offset, data.size()); });
  out.note_part("sendfile", first, data.size()).note("offset is the count", offset == first.value);
  result next;
  do {
    next = call([&] { return ::sendfile(pair.near, file, &offset, data.size()); });
  } while (next.value > 0);
  out.note("then", next);
}

void timeout(outcome& out) {
  const temporary_folder folder;
  const std::string data = pattern(3'000'000);
  const owned_fd file = file_with(folder, data);
  const fd_pair pair = tight_pair(kind::tcp4);
  set_timeout(pair.near, SO_SNDTIMEO, 0, 50'000);
  const stopwatch watch;
  const result first = call([&] { return ::sendfile(pair.near, file, nullptr, data.size()); });
  out.note_part("sendfile", first, data.size()).note("took", watch.against(50ms));
  out.note("file's offset is the count", ::lseek(file, 0, SEEK_CUR) == first.value);
}

void wrong(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "0123456789");
  const fd_pair pair = socket_pair(SOCK_STREAM);
  const fd_pair pipe = reading_pair(kind::pipe);
  off_t offset = -5;
  put(pipe.far, "x");
  put(pair.far, "y");
  out.note("from a socket", call([&] { return ::sendfile(pipe.far, pair.near, nullptr, 1); }));
  out.note("from a writer", call([&] { return ::sendfile(pair.near, pipe.far, nullptr, 1); }));
  out.note("negative offset", call([&] { return ::sendfile(pair.near, file, &offset, 1); }));
  out.note("no fd", call([&] { return ::sendfile(far_too_high_fd, file, nullptr, 1); }));
  out.note("no file", call([&] { return ::sendfile(pair.near, opaque(-1), nullptr, 1); }));
  const owned_fd other = file_with(folder, "", "other");
  out.note("to a file", call([&] { return ::sendfile(other, file, nullptr, 5); }));
  out.note("to a reader", call([&] { return ::sendfile(pipe.near, file, nullptr, 5); }));
  out.note("from a pipe to a file", call([&] { return ::sendfile(other, pipe.near, nullptr, 1); }));
}

void bad_offset(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "0123456789");
  const fd_pair pair = socket_pair(SOCK_STREAM);
  out.note("sendfile", call([&] { return ::sendfile(pair.near, file, static_cast<off_t*>(bad_address()), 1); }));
}

/// The file grows, or there is none: what is there is sent, and nothing waits.
void nobody_reads(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "0123456789");
  fd_pair pair = socket_pair(SOCK_STREAM);
  pair.far.reset();
  struct sigaction before {};
  struct sigaction ignoring {};
  ignoring.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignoring, &before);
  out.note("to nobody", call([&] { return ::sendfile(pair.near, file, nullptr, 10); }));
  ::sigaction(SIGPIPE, &before, nullptr);
}

}  // namespace

void add_sendfile(probe_list& list) {
  list.add("sendfile's offsets", offsets);
  for (const kind of_pair : {kind::tcp4, kind::unix_stream, kind::pipe}) {
    const std::string of = name_of(of_pair);
    list.add("sendfile to a slow reader " + of, [=](outcome& out) { to_slow_reader(out, of_pair, false); });
    list.add("sendfile with an offset to a slow reader " + of,
             [=](outcome& out) { to_slow_reader(out, of_pair, true); });
    list.add("sendfile nonblocking " + of, [=](outcome& out) { nonblocking(out, of_pair); });
  }
  list.add("sendfile and a timeout", timeout);
  list.add("sendfile, wrong arguments", wrong);
  list.add("sendfile, bad address", bad_offset);
  list.add("sendfile to nobody", nobody_reads);
}

}  // namespace fidelity
