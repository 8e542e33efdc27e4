// Regular files, folders and devices: offsets, short reads, and flags that nobody changes.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <csignal>
#include <cstdio>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fidelity {

namespace {

void note_offset(outcome& out, int fd) { out.note("offset", std::to_string(::lseek(fd, 0, SEEK_CUR))); }

enum class store { disk, tmpfs, memory };

owned_fd content_in(store where_to, const temporary_folder& folder, std::string_view content) {
  if (where_to != store::memory) {
    return file_with(folder, content);
  }
  owned_fd made(must(::memfd_create("probe", 0), "memfd_create"));
  put(made, content);
  ::lseek(made, 0, SEEK_SET);
  return made;
}

void reading(outcome& out, store where_to) {
  const temporary_folder folder(where_to == store::tmpfs ? "/dev/shm" : "/tmp");
  const owned_fd file = content_in(where_to, folder, "0123456789");
  out.note("before", flags_text(file));
  note_read(out, file, 4);
  note_offset(out, file);
  note_read(out, read_call_named("readv"), file, 4);
  note_offset(out, file);
  std::array<char, 20> buffer{};
  out.note("pread", call([&] { return ::pread(file, buffer.data(), 3, 2); }))
      .note("bytes", bytes_text({buffer.data(), 3}));
  out.note("pread64", call([&] { return ::pread64(file, buffer.data(), 3, 5); }));
  out.note("__pread64", call([&] { return ::__pread64(file, buffer.data(), 20, 8); }));
  out.note("__pread_chk", call([&] { return ::__pread_chk(file, buffer.data(), 3, 1, buffer.size()); }));
  out.note("__pread64_chk", call([&] { return ::__pread64_chk(file, buffer.data(), 3, 1, buffer.size()); }));
  out.note("bytes", bytes_text({buffer.data(), 3}));
  out.note("past the end", call([&] { return ::pread(file, buffer.data(), 3, 50); }));
  out.note("negative", call([&] { return ::pread(file, buffer.data(), 3, -1); }));
  const iovec parts[] = {{buffer.data(), 2}, {buffer.data() + 2, 18}};
  out.note("preadv", call([&] { return ::preadv(file, parts, 2, 4); })).note("bytes", bytes_text({buffer.data(), 6}));
  out.note("preadv64", call([&] { return ::preadv64(file, parts, 2, 8); }));
  note_offset(out, file);
  note_read(out, file);
  note_read(out, file);
  out.note("after", flags_text(file));
}

void writing(outcome& out, store where_to) {
  const temporary_folder folder(where_to == store::tmpfs ? "/dev/shm" : "/tmp");
  const owned_fd file = content_in(where_to, folder, "");
  out.note("write", call([&] { return ::write(file, "abcdef", 6); }));
  out.note("pwrite", call([&] { return ::pwrite(file, "XY", 2, 1); }));
  out.note("pwrite64", call([&] { return ::pwrite64(file, "Z", 1, 8); }));
  out.note("__pwrite64", call([&] { return ::__pwrite64(file, "W", 1, 9); }));
  note_offset(out, file);
  char first[] = "gh";
  char second[] = "i";
  const iovec parts[] = {{first, 2}, {second, 1}};
  out.note("writev", call([&] { return ::writev(file, parts, 2); }));
  out.note("pwritev", call([&] { return ::pwritev(file, parts, 2, 0); }));
  note_offset(out, file);
  ::lseek(file, 0, SEEK_SET);
  note_read(out, file);
  const std::string data = pattern(3'000'000);
  out.note("large", call([&] { return ::write(file, data.data(), data.size()); }));
  ::lseek(file, 10, SEEK_SET);
  out.note("equal", get(file, data.size()) == data).note("after", flags_text(file));
}

void appending(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "0123");
  const owned_fd appends(::open(folder.file("file").c_str(), O_WRONLY | O_APPEND));
  out.note("write", call([&] { return ::write(appends, "ab", 2); }));
  note_offset(out, appends);
  out.note("pwrite", call([&] { return ::pwrite(appends, "cd", 2, 0); }));  // Linux appends all the same
  note_read(out, file);
  const owned_fd reads(::open(folder.file("file").c_str(), O_RDONLY));
  out.note("write to a reader", call([&] { return ::write(reads, "x", 1); }));
  out.note("read from a writer", call([&] {
             char byte;
             return ::read(appends, &byte, 1);
           }));
}

/// Two descriptors of one open file share the offset.
void shared_offset(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "0123456789");
  const owned_fd twin(::dup(file));
  note_read(out, file, 3);
  note_read(out, twin, 3);
  note_offset(out, file);
}

void devices(outcome& out) {
  const owned_fd null(::open("/dev/null", O_RDWR));
  const owned_fd zero(::open("/dev/zero", O_RDWR));
  const owned_fd full(::open("/dev/full", O_RDWR));
  const owned_fd random(::open("/dev/urandom", O_RDONLY));
  note_read(out, null);
  out.note("null", call([&] { return ::write(null, "abc", 3); }));
  note_read(out, zero, 3);
  out.note("zero", call([&] { return ::write(zero, "abc", 3); }));
  out.note("full", call([&] { return ::write(full, "abc", 3); }));
  std::array<char, 16> bytes{};
  out.note("random", call([&] { return ::read(random, bytes.data(), bytes.size()); }));
  for (const int fd : {int{null}, int{zero}, int{full}, int{random}}) {
    out.note("flags", flags_text(fd));
  }
}

void folders(outcome& out) {
  const owned_fd at(::open("/", O_RDONLY | O_DIRECTORY));
  const owned_fd path(::open("/", O_PATH));
  note_read(out, at);
  std::array<char, 4> buffer{};
  out.note("pread", call([&] { return ::pread(at, buffer.data(), 4, 0); }));
  out.note("write", call([&] { return ::write(at, "x", 1); }));
  note_read(out, path);
  out.note("poll of a path", call([&] {
             pollfd entry{path, POLLIN, 0};
             return ::poll(&entry, 1, 0);
           }));
  out.note("flags", flags_text(at));
}

/// Offsets mean nothing to what is not a file.
void no_offsets(outcome& out) {
  const fd_pair pipe = reading_pair(kind::pipe);
  const fd_pair pair = socket_pair(SOCK_STREAM);
  std::array<char, 4> buffer{};
  const iovec part{buffer.data(), buffer.size()};
  for (const int fd : {int{pipe.near}, int{pair.near}}) {
    out.note("pread", call([&] { return ::pread(fd, buffer.data(), 4, 0); }));
    out.note("preadv", call([&] { return ::preadv(fd, &part, 1, 0); }));
    out.note("pwrite", call([&] { return ::pwrite(fd, "x", 1, 0); }));
    // An offset of -1 stands for the current one, so these do wait, or would.
    put(fd == pipe.near ? pipe.far : pair.far, "now");
    out.note("preadv2", call([&] { return ::preadv2(fd, &part, 1, -1, 0); }));
  }
}

void size_limit(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "");
  struct sigaction before {};
  struct sigaction ignoring {};
  ignoring.sa_handler = SIG_IGN;
  ::sigaction(SIGXFSZ, &ignoring, &before);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{10, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  out.note("part", call([&] { return ::write(file, "0123456789abcdef", 16); }));
  out.note("none", call([&] { return ::write(file, "x", 1); }));
  ::setrlimit(RLIMIT_FSIZE, &limit);
  ::sigaction(SIGXFSZ, &before, nullptr);
}

/// The stdio of libc, which reads and writes inside libc.
void standard_io(outcome& out) {
  const fd_pair pair = socket_pair(SOCK_STREAM);
  FILE* const stream = ::fdopen(::dup(pair.near), "r");
  FILE* const answers = ::fdopen(::dup(pair.near), "w");
  peer other([&](peer&) { put(pair.far, "a line\nanother\n"); });
  other.join();
  std::array<char, 40> line{};
  out.note("fgets", std::fgets(line.data(), line.size(), stream) != nullptr).note("line", bytes_text(line.data()));
  out.note("fputs", call([&] { return std::fputs("answer\n", answers); }).value >= 0);
  out.note("fclose", call([&] { return std::fclose(stream); }));
  out.note("fclose", call([&] { return std::fclose(answers); }).value == 0);
  out.note("the other got", bytes_text(get(pair.far, 7)));
  FILE* const full = std::fopen("/dev/full", "we");
  std::fputs("x", full);
  const result closed = call([&] { return std::fclose(full); });
  out.note("fclose of a full device", closed);
  FILE* const bad = ::fdopen(::dup(pair.near), "r");
  ::close(fileno(bad));
  out.note("fclose of a closed one", call([&] { return std::fclose(bad); }));
}

}  // namespace

void add_files(probe_list& list) {
  struct row {
    const char* name;
    store where_to;
  };
  for (const row& each : {row{"disk", store::disk}, row{"tmpfs", store::tmpfs}, row{"memory", store::memory}}) {
    list.add(std::string("reading a file on ") + each.name, [=](outcome& out) { reading(out, each.where_to); });
    list.add(std::string("writing a file on ") + each.name, [=](outcome& out) { writing(out, each.where_to); });
  }
  list.add("appending", appending);
  list.add("a shared offset", shared_offset);
  list.add("devices", devices);
  list.add("folders", folders);
  list.add("offsets where there are none", no_offsets);
  list.add("a limit of the file's size", size_limit);
  list.add("stdio", standard_io);
}

}  // namespace fidelity
