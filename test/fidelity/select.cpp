// select and pselect.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <csignal>

#include <sys/time.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

struct select_call {
  const char* name;
  int (*run)(int count, fd_set* reads, fd_set* writes, fd_set* errors, timeval* limit);
};

int run_pselect(int count, fd_set* reads, fd_set* writes, fd_set* errors, timeval* limit) {
  if (limit == nullptr) {
    return ::pselect(count, reads, writes, errors, nullptr, nullptr);
  }
  const timespec exact{limit->tv_sec, limit->tv_usec * 1000};
  sigset_t none;
  ::sigemptyset(&none);
  return ::pselect(count, reads, writes, errors, &exact, &none);
}

constexpr select_call select_calls[] = {{"select", ::select}, {"__select", ::__select}, {"pselect", run_pselect}};

fd_set set_of(std::initializer_list<int> fds) {
  fd_set made;
  FD_ZERO(&made);
  for (const int fd : fds) {
    FD_SET(fd, &made);
  }
  return made;
}

/// For each descriptor, in which sets it is.
std::string sets_text(std::initializer_list<int> fds, const fd_set& reads, const fd_set& writes, const fd_set& errors) {
  std::string text;
  for (const int fd : fds) {
    text += '[';
    text += FD_ISSET(fd, &reads) ? "r" : "";
    text += FD_ISSET(fd, &writes) ? "w" : "";
    text += FD_ISSET(fd, &errors) ? "e" : "";
    text += ']';
  }
  return text;
}

int past(int fd) { return fd + 1; }

void ready(outcome& out, const select_call& selects) {
  const fd_pair pair = tcp_pair();
  const fd_pair idle = reading_pair(kind::pipe);
  put(pair.far, "x");
  fd_set reads = set_of({pair.near, idle.near});
  fd_set writes = set_of({pair.near, idle.far});
  fd_set errors = set_of({pair.near});
  const int count = past(std::max({int{pair.near}, int{idle.near}, int{idle.far}}));
  timeval limit{5, 0};
  out.note(selects.name, call([&] { return selects.run(count, &reads, &writes, &errors, &limit); }));
  out.note("sets", sets_text({pair.near, idle.near, idle.far}, reads, writes, errors));
  out.note("some time left", limit.tv_sec >= 4);
}

void later(outcome& out, const select_call& selects) {
  const fd_pair first = reading_pair(kind::pipe);
  const fd_pair second = tcp_pair();
  peer other([&](peer& self) {
    self.until_blocked();
    put(second.far, "x");
  });
  fd_set reads = set_of({first.near, second.near});
  fd_set none = set_of({});
  const int count = past(std::max(int{first.near}, int{second.near}));
  out.note(selects.name, call([&] { return selects.run(count, &reads, nullptr, &none, nullptr); }));
  out.note("sets", sets_text({first.near, second.near}, reads, none, none));
}

void times_out(outcome& out, const select_call& selects) {
  const fd_pair pair = reading_pair(kind::unix_stream);
  fd_set reads = set_of({pair.near});
  fd_set none = set_of({});
  timeval limit{0, 50'000};
  bystander other;
  const stopwatch watch;
  out.note(selects.name, call([&] { return selects.run(past(pair.near), &reads, nullptr, nullptr, &limit); }));
  out.note("took", watch.against(50ms)).note("sets", sets_text({pair.near}, reads, none, none));
  other.check();
  // Linux writes what is left, which is nothing; pselect's timeout is const.
  out.note("left", std::to_string(limit.tv_sec) + " s " + std::to_string(limit.tv_usec));
  reads = set_of({pair.near});
  limit = {0, 0};
  out.note("at once", call([&] { return selects.run(past(pair.near), &reads, nullptr, nullptr, &limit); }));
  limit = {0, 20'000};
  const stopwatch sleeping;
  out.note("sleep", call([&] { return selects.run(0, nullptr, nullptr, nullptr, &limit); }));
  out.note("took", sleeping.against(20ms));
}

/// What is left of the time when an event comes first.
void time_left(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  peer other([&](peer& self) {
    self.until_blocked();
    std::this_thread::sleep_for(20ms);
    put(pair.far, "x");
  });
  fd_set reads = set_of({pair.near});
  timeval limit{10, 0};
  out.note("select", call([&] { return ::select(past(pair.near), &reads, nullptr, nullptr, &limit); }));
  out.note("less than before", limit.tv_sec < 10).note("most of it", limit.tv_sec >= 5);
}

/// Descriptors at or above the count are not looked at, and are left as they are.
void beyond_the_count(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  put(pair.far, "x");
  const owned_fd high(::fcntl(pair.near, F_DUPFD, 900));
  fd_set reads = set_of({pair.near, high});
  fd_set none = set_of({});
  timeval limit{0, 0};
  out.note("select", call([&] { return ::select(past(pair.near), &reads, nullptr, nullptr, &limit); }));
  out.note("sets", sets_text({pair.near, high}, reads, none, none));
  fd_set both = set_of({pair.near, high});
  out.note("all", call([&] { return ::select(past(high), &both, nullptr, nullptr, &limit); }));
  out.note("sets", sets_text({pair.near, high}, both, none, none));
}

void end_and_error(outcome& out) {
  fd_pair ended = reading_pair(kind::pipe);
  fd_pair broken = writing_pair(kind::pipe);
  ended.far.reset();
  broken.far.reset();
  fd_set reads = set_of({ended.near, broken.near});
  fd_set writes = set_of({ended.near, broken.near});
  fd_set errors = set_of({ended.near, broken.near});
  timeval limit{1, 0};
  const int count = past(std::max(int{ended.near}, int{broken.near}));
  out.note("select", call([&] { return ::select(count, &reads, &writes, &errors, &limit); }));
  out.note("sets", sets_text({ended.near, broken.near}, reads, writes, errors));
}

void urgent(outcome& out) {
  const fd_pair pair = tcp_pair();
  peer other([&](peer& self) {
    self.until_blocked();
    ::send(pair.far, "!", 1, MSG_OOB);
  });
  fd_set errors = set_of({pair.near});
  fd_set none = set_of({});
  out.note("select", call([&] { return ::select(past(pair.near), nullptr, nullptr, &errors, nullptr); }));
  out.note("sets", sets_text({pair.near}, none, none, errors));
}

void files(outcome& out) {
  const temporary_folder folder;
  const owned_fd file = file_with(folder, "");
  const owned_fd null(::open("/dev/null", O_RDWR));
  fd_set reads = set_of({file, null});
  fd_set writes = set_of({file, null});
  fd_set none = set_of({});
  const int count = past(std::max(int{file}, int{null}));
  out.note("select", call([&] { return ::select(count, &reads, &writes, nullptr, nullptr); }));
  out.note("sets", sets_text({file, null}, reads, writes, none));
}

void wrong(outcome& out) {
  const fd_pair pair = reading_pair(kind::pipe);
  fd_set none = set_of({});
  timeval limit{0, 0};
  out.note("negative count", call([&] { return ::select(opaque(-1), &none, nullptr, nullptr, &limit); }));
  // Not above the highest number that was ever open: the kernel does not look at those.
  const int gone = ::dup(pair.near);
  ::close(gone);
  fd_set reads = set_of({pair.near, gone});
  fd_set writes = set_of({pair.far});
  out.note("closed", call([&] { return ::select(past(gone), &reads, &writes, nullptr, &limit); }));
  out.note("untouched", sets_text({pair.near, pair.far, gone}, reads, writes, none));
  limit = {-1, 0};
  out.note("negative time", call([&] { return ::select(0, nullptr, nullptr, nullptr, &limit); }));
  limit = {0, -1};
  out.note("negative fraction", call([&] { return ::select(0, nullptr, nullptr, nullptr, &limit); }));
  limit = {0, 1'030'000};
  const stopwatch watch;
  const result over = call([&] { return ::select(0, nullptr, nullptr, nullptr, &limit); });
  out.note("large fraction", over).note("took", watch.against(1030ms));
  const timespec exact{0, 1'000'000'000};
  out.note("pselect's fraction", call([&] { return ::pselect(0, nullptr, nullptr, nullptr, &exact, nullptr); }));
}

void bad_set(outcome& out) {
  timeval limit{0, 0};
  out.note("select", call([&] { return ::select(10, static_cast<fd_set*>(bad_address()), nullptr, nullptr, &limit); }));
}

void pselect_keeps_its_timeout(outcome& out) {
  const timespec limit{0, 20'000'000};
  const stopwatch watch;
  out.note("pselect", call([&] { return ::pselect(0, nullptr, nullptr, nullptr, &limit, nullptr); }));
  out.note("took", watch.against(20ms));
  out.note("limit", std::to_string(limit.tv_sec) + " s " + std::to_string(limit.tv_nsec));
}

}  // namespace

void add_select(probe_list& list) {
  for (const select_call& selects : select_calls) {
    const std::string name = selects.name;
    list.add(name + ": ready", [&](outcome& out) { ready(out, selects); });
    list.add(name + ": later", [&](outcome& out) { later(out, selects); });
    list.add(name + ": times out", [&](outcome& out) { times_out(out, selects); });
  }
  list.add("select: time left", time_left);
  list.add("select: beyond the count", beyond_the_count);
  list.add("select: end and error", end_and_error);
  list.add("select: urgent byte", urgent);
  list.add("select: files", files);
  list.add("select: wrong arguments", wrong);
  list.add("select: bad set", bad_set);
  list.add("pselect keeps its timeout", pselect_keeps_its_timeout);
}

}  // namespace fidelity
