// Writing: ready, large to a slow reader, cut short by a timeout or the reader's end, and to nobody.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <array>
#include <climits>
#include <csignal>
#include <thread>
#include <vector>

#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

/// More than any buffer of the kernel holds.
const std::string& large_data() {
  static const std::string data = pattern(10'000'000);
  return data;
}

std::atomic<int> broken_pipes{0};

/// Counts SIGPIPE while it lives.
class broken_pipe_counter {
 public:
  broken_pipe_counter() {
    broken_pipes = 0;
    struct sigaction counting {};
    counting.sa_handler = [](int) { broken_pipes.fetch_add(1); };
    ::sigaction(SIGPIPE, &counting, &before_);
  }
  ~broken_pipe_counter() { ::sigaction(SIGPIPE, &before_, nullptr); }
  broken_pipe_counter(const broken_pipe_counter&) = delete;
  broken_pipe_counter& operator=(const broken_pipe_counter&) = delete;
  [[nodiscard]] std::string text() const { return std::to_string(broken_pipes.load()); }

 private:
  struct sigaction before_ {};
};

result note_write(outcome& out, const write_call& writer, int fd, std::string_view data, int flags = 0) {
  const result done = call([&] { return writer.run(fd, data.data(), data.size(), flags); });
  out.note(writer.name, done);
  return done;
}

void ready(outcome& out, const write_call& writer, kind of_pair) {
  const fd_pair pair = writing_pair(of_pair);
  out.note("before", flags_text(pair.near));
  note_write(out, writer, pair.near, "hello");
  out.note("after", flags_text(pair.near));
  out.note("the other got", get(pair.far, 5));
}

void to_slow_reader(outcome& out, const write_call& writer, kind of_pair) {
  const fd_pair pair = tight_pair(of_pair);
  const std::string& data = large_data();
  std::string got;
  peer reader([&](peer& self) {
    for (int round = 0; round < 3; ++round) {
      self.until_blocked();
      got += get(pair.far, 100'000);
    }
    got += get(pair.far, data.size() - got.size());
  });
  note_write(out, writer, pair.near, data);
  reader.join();
  out.note("the other got", bytes_text(got)).note("equal", got == data).note("after", flags_text(pair.near));
}

void nonblocking(outcome& out, const write_call& writer, kind of_pair) {
  const fd_pair pair = tight_pair(of_pair);
  ::fcntl(pair.near, F_SETFL, O_NONBLOCK);
  const std::string& data = large_data();
  const result first = call([&] { return writer.run(pair.near, data.data(), data.size(), 0); });
  out.note_part(writer.name, first, data.size());
  std::size_t accepted = first.value > 0 ? static_cast<std::size_t>(first.value) : 0;
  result next;
  do {  // the receiver's side may make room for some more
    next = call([&] { return writer.run(pair.near, data.data() + accepted, data.size() - accepted, 0); });
    accepted += next.value > 0 ? static_cast<std::size_t>(next.value) : 0;
  } while (next.value > 0);
  out.note("then", next);
  out.note("the other got them", get(pair.far, accepted) == data.substr(0, accepted));
}

/// MSG_DONTWAIT on a blocking socket.
void dont_wait(outcome& out, const write_call& writer, kind of_pair) {
  const fd_pair pair = tight_pair(of_pair);
  const std::string& data = large_data();
  out.note_part(writer.name, call([&] { return writer.run(pair.near, data.data(), data.size(), MSG_DONTWAIT); }),
                data.size());
  result next;
  do {
    next = call([&] { return writer.run(pair.near, data.data(), data.size(), MSG_DONTWAIT); });
  } while (next.value > 0);
  out.note("then", next).note("after", flags_text(pair.near));
}

/// A full socket, and a timeout: what fits is told, and when nothing does, EAGAIN.
void timeout(outcome& out, const write_call& writer, kind of_pair) {
  const fd_pair pair = tight_pair(of_pair);
  set_timeout(pair.near, SO_SNDTIMEO, 0, 50'000);
  const std::string& data = large_data();
  bystander other;
  const stopwatch watch;
  const result first = call([&] { return writer.run(pair.near, data.data(), data.size(), 0); });
  out.note_part(writer.name, first, data.size());
  if (of_pair != kind::tcp4) {  // tcp waits for memory too, for a random time
    out.note("took", watch.against(50ms));
  }
  other.check();
  result next;
  do {
    next = call([&] { return writer.run(pair.near, data.data(), 65536, 0); });
  } while (next.value > 0);
  out.note("then", next).note("after", flags_text(pair.near));
}

void reader_leaves(outcome& out, const write_call& writer, kind of_pair) {
  const broken_pipe_counter counter;
  fd_pair pair = tight_pair(of_pair);
  const std::string& data = large_data();
  peer reader([&](peer& self) {
    self.until_blocked();
    get(pair.far, 300'000);
    self.until_blocked();
    pair.far.reset();
  });
  out.note_part(writer.name, call([&] { return writer.run(pair.near, data.data(), data.size(), 0); }), data.size());
  reader.join();
  out.note("SIGPIPE", counter.text());
}

void to_nobody(outcome& out, const write_call& writer, kind of_pair, int flags) {
  const broken_pipe_counter counter;
  fd_pair pair = writing_pair(of_pair);
  pair.far.reset();
  if (of_pair == kind::tcp4) {  // the first one goes out and is answered by a reset
    ::send(pair.near, "x", 1, MSG_NOSIGNAL);
    pollfd entry{pair.near, POLLHUP, 0};
    ::poll(&entry, 1, 2000);
    char byte = 0;
    static_cast<void>(::recv(pair.near, &byte, 1, 0));  // takes the reset's error
  }
  note_write(out, writer, pair.near, "hello", flags);
  out.note("SIGPIPE", counter.text());
  note_write(out, writer, pair.near, "hello", flags);
  out.note("SIGPIPE", counter.text());
}

void after_own_shutdown(outcome& out, const write_call& writer, kind of_pair) {
  const broken_pipe_counter counter;
  const fd_pair pair = writing_pair(of_pair);
  ::shutdown(pair.near, SHUT_WR);
  note_write(out, writer, pair.near, "hello");
  out.note("SIGPIPE", counter.text());
}

void nothing(outcome& out, const write_call& writer, kind of_pair) {
  const fd_pair pair = writing_pair(of_pair);
  note_write(out, writer, pair.near, "");
  int pending = -1;
  ::ioctl(pair.far, FIONREAD, &pending);
  out.note("pending", std::to_string(pending));
  note_write(out, writer, pair.near, "x");
  out.note("the other got", get(pair.far, 1));
}

/// Up to PIPE_BUF bytes go into a pipe together or not at all.
void atomic_in_pipe(outcome& out) {
  const fd_pair pair = writing_pair(kind::pipe);
  ::fcntl(pair.near, F_SETPIPE_SZ, 4096);
  put(pair.near, pattern(4000));
  std::string got;
  peer reader([&](peer& self) {
    self.until_blocked();
    int pending = -1;
    ::ioctl(pair.far, FIONREAD, &pending);
    got = std::to_string(pending) + " first, then " + bytes_text(get(pair.far, 4500));
  });
  out.note("write", call([&] { return ::write(pair.near, pattern(500).data(), 500); }));
  reader.join();
  out.note("the other got", got);
  ::fcntl(pair.near, F_SETFL, O_NONBLOCK);
  put(pair.near, pattern(4000));
  out.note("nonblocking", call([&] { return ::write(pair.near, pattern(500).data(), 500); }));
}

void many_parts(outcome& out, kind of_pair) {
  const fd_pair pair = tight_pair(of_pair);
  const std::string data = pattern(1'000'000);
  std::vector<iovec> parts;
  for (std::size_t at = 0; at < data.size(); at += 1000) {
    parts.push_back({const_cast<char*>(data.data()) + at, 1000});
  }
  std::string got;
  peer reader([&](peer& self) {
    self.until_blocked();
    got = get(pair.far, data.size());
  });
  out.note("writev", call([&] { return ::writev(pair.near, parts.data(), static_cast<int>(parts.size())); }));
  reader.join();
  out.note("equal", got == data);
  std::vector<iovec> too_many(IOV_MAX + 1, parts[0]);
  out.note("too many", call([&] { return ::writev(pair.near, too_many.data(), static_cast<int>(too_many.size())); }));
  out.note("none", call([&] { return ::writev(pair.near, parts.data(), 0); }));
  out.note("negative", call([&] { return ::writev(pair.near, parts.data(), opaque(-1)); }));
}

/// Two descriptors of one socket: one task of it waits to read, the peer sees what the other writes.
void both_directions(outcome& out, kind of_pair) {
  const fd_pair pair = tight_pair(of_pair);
  const std::string data = pattern(2'000'000);
  std::string got;
  peer other([&](peer& self) {
    self.until_blocked();
    put(pair.far, "early");
    got = get(pair.far, data.size());
    put(pair.far, " and late");
  });
  out.note("write", call([&] { return ::write(pair.near, data.data(), data.size()); }));
  note_read(out, pair.near, 5);
  note_read(out, pair.near);
  other.join();
  out.note("equal", got == data);
}

}  // namespace

void add_send(probe_list& list) {
  struct row {
    const char* name;
    void (*run)(outcome&, const write_call&, kind);
    bool sockets_only = false;
    bool every_kind = false;
  };
  static constexpr row rows[] = {
      {"ready", ready, false, true},     {"10 MB to a slow reader", to_slow_reader},
      {"nonblocking", nonblocking},      {"MSG_DONTWAIT", dont_wait, true},
      {"timeout", timeout, true},        {"the reader leaves", reader_leaves},
      {"nothing", nothing, false, true}, {"after its own shutdown", after_own_shutdown, true},
  };
  static constexpr kind main_kinds[] = {kind::tcp4, kind::unix_stream, kind::pipe};
  static constexpr kind other_kinds[] = {kind::tcp6, kind::unix_seqpacket, kind::udp4, kind::fifo, kind::tty};
  const auto add = [&](const write_call& writer, kind of_pair, const row& each) {
    const bool plain = std::string_view(writer.name).find("write") != std::string_view::npos;
    if ((!is_socket(of_pair) && writer.sockets_only) || (each.sockets_only && (!is_socket(of_pair))) ||
        (each.run == dont_wait && plain)) {
      return;
    }
    list.add(std::string(writer.name) + ' ' + name_of(of_pair) + ": " + each.name,
             [&writer, of_pair, &each](outcome& out) { each.run(out, writer, of_pair); });
  };
  for (const write_call& writer : write_calls()) {
    for (const row& each : rows) {
      for (const kind of_pair : main_kinds) {
        add(writer, of_pair, each);
      }
      for (const kind of_pair : other_kinds) {
        if (each.every_kind && (&writer == write_calls().data() || std::string_view(writer.name) == "send")) {
          add(writer, of_pair, each);
        }
      }
    }
    for (const kind of_pair : main_kinds) {
      if (is_socket(of_pair) || !writer.sockets_only) {
        list.add(std::string(writer.name) + ' ' + name_of(of_pair) + ": to nobody",
                 [&writer, of_pair](outcome& out) { to_nobody(out, writer, of_pair, 0); });
      }
      if (is_socket(of_pair) && writer.sockets_only) {
        list.add(std::string(writer.name) + ' ' + name_of(of_pair) + ": to nobody, MSG_NOSIGNAL",
                 [&writer, of_pair](outcome& out) { to_nobody(out, writer, of_pair, MSG_NOSIGNAL); });
      }
    }
  }
  list.add("pipe: atomic writes", atomic_in_pipe);
  for (const kind of_pair : main_kinds) {
    list.add(std::string("writev of many parts ") + name_of(of_pair), [=](outcome& out) { many_parts(out, of_pair); });
    if (is_socket(of_pair)) {
      list.add(std::string("both directions ") + name_of(of_pair),
               [=](outcome& out) { both_directions(out, of_pair); });
    }
  }
}

}  // namespace fidelity
