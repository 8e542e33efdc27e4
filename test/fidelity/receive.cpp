// Reading: each kind of descriptor, each call, and each thing that a peer can do.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

using behaviour = void (*)(outcome& out, const read_call& reader, kind of_pair);

void ready(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  put(pair.far, "hello");
  if (of_pair == kind::tty) {
    ::usleep(20'000);  // a terminal hands bytes on by a thread of the kernel
  }
  out.note("before", flags_text(pair.near));
  note_read(out, reader, pair.near);
  out.note("after", flags_text(pair.near));
}

void later(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  note_read(out, reader, pair.near);
  out.note("after", flags_text(pair.near)).note("far", flags_text(pair.far));
}

void later_twice(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  for (const char* const text : {"one", "second"}) {
    peer writer([&](peer& self) {
      self.until_blocked();
      put(pair.far, text);
    });
    note_read(out, reader, pair.near);
  }
}

void by_bits(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  put(pair.far, "abcdefgh");
  if (of_pair == kind::tty) {
    ::usleep(20'000);
  }
  note_read(out, reader, pair.near, 3);
  if (!is_message(of_pair)) {
    note_read(out, reader, pair.near, 3);
    note_read(out, reader, pair.near, 3);
  }
}

void end(outcome& out, const read_call& reader, kind of_pair) {
  fd_pair pair = reading_pair(of_pair);
  if (of_pair != kind::tty) {
    put(pair.far, "last");
  }
  pair.far.reset();
  note_read(out, reader, pair.near);
  note_read(out, reader, pair.near);
}

void end_later(outcome& out, const read_call& reader, kind of_pair) {
  fd_pair pair = reading_pair(of_pair);
  peer closer([&](peer& self) {
    self.until_blocked();
    pair.far.reset();
  });
  note_read(out, reader, pair.near);
}

void nonblocking(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  out.note("F_SETFL", call([&] { return ::fcntl(pair.near, F_SETFL, O_NONBLOCK); }));
  note_read(out, reader, pair.near);
  out.note("after", flags_text(pair.near));
  put(pair.far, "hello");
  pollfd entry{pair.near, POLLIN, 0};
  out.note("poll", call([&] { return ::poll(&entry, 1, 2000); }));
  note_read(out, reader, pair.near);
}

void nonblocking_by_ioctl(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  int on = 1;
  out.note("FIONBIO", call([&] { return ::ioctl(pair.near, FIONBIO, &on); }));
  note_read(out, reader, pair.near);
  out.note("after", flags_text(pair.near));
}

void blocking_again(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  int on = 1;
  ::ioctl(pair.near, FIONBIO, &on);
  note_read(out, reader, pair.near);
  on = 0;
  out.note("FIONBIO off", call([&] { return ::ioctl(pair.near, FIONBIO, &on); }));
  out.note("F_SETFL on", call([&] { return ::fcntl(pair.near, F_SETFL, O_NONBLOCK); }));
  note_read(out, reader, pair.near);
  out.note("F_SETFL off", call([&] { return ::fcntl(pair.near, F_SETFL, 0); }));
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  note_read(out, reader, pair.near);
  out.note("after", flags_text(pair.near));
}

void made_by_another_thread(outcome& out, const read_call& reader, kind of_pair) {
  fd_pair pair;
  peer maker([&](peer&) { pair = reading_pair(of_pair); });
  maker.join();
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  note_read(out, reader, pair.near);
}

void timeout(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  set_timeout(pair.near, SO_RCVTIMEO, 0, 50'000);
  bystander other;
  const stopwatch watch;
  note_read(out, reader, pair.near);
  other.check();
  out.note("took", watch.against(50ms));
  out.note("option", timeout_text(pair.near, SO_RCVTIMEO)).note("after", flags_text(pair.near));
}

void huge_timeout(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  set_timeout(pair.near, SO_RCVTIMEO, 3000, 0);
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  note_read(out, reader, pair.near);
  out.note("option", timeout_text(pair.near, SO_RCVTIMEO));
}

/// A timeout that passes, and then one that does not, on the same socket.
void timeout_then_data(outcome& out, const read_call& reader, kind of_pair) {
  const fd_pair pair = reading_pair(of_pair);
  set_timeout(pair.near, SO_RCVTIMEO, 0, 30'000);
  note_read(out, reader, pair.near);
  set_timeout(pair.near, SO_RCVTIMEO, 0, 0);
  peer writer([&](peer& self) {
    self.until_blocked();
    put(pair.far, "hello");
  });
  note_read(out, reader, pair.near);
}

struct row {
  const char* name;
  behaviour run;
  bool for_end = false;      // for kinds that have an end
  bool for_sockets = false;  // for sockets only
  bool every_call = false;   // with every call, not only read and recv
};

constexpr row rows[] = {
    {"ready", ready, false, false, true},
    {"later", later, false, false, true},
    {"later, twice", later_twice},
    {"by bits", by_bits},
    {"end", end, true, false, true},
    {"end later", end_later, true, false, true},
    {"nonblocking", nonblocking, false, false, true},
    {"nonblocking by FIONBIO", nonblocking_by_ioctl},
    {"blocking again", blocking_again},
    {"made by another thread", made_by_another_thread},
    {"timeout", timeout, false, true, true},
    {"huge timeout", huge_timeout, false, true, true},
    {"timeout, then data", timeout_then_data, false, true},
};

constexpr kind kinds[] = {kind::tcp4, kind::tcp6, kind::unix_stream, kind::unix_seqpacket, kind::unix_dgram,
                          kind::udp4, kind::udp6, kind::pipe,        kind::fifo,           kind::tty};

bool applies(const row& each, const read_call& reader, kind of_pair) {
  if ((each.for_end && !has_end(of_pair)) || ((each.for_sockets || reader.sockets_only) && !is_socket(of_pair))) {
    return false;
  }
  // Every call on one socket of each domain and on pipes; read on everything.
  const bool main_kind = of_pair == kind::tcp4 || of_pair == kind::unix_stream || of_pair == kind::pipe;
  return &reader == read_calls().data() || (each.every_call && main_kind);
}

}  // namespace

void add_receive(probe_list& list) {
  for (const read_call& reader : read_calls()) {
    for (const kind of_pair : kinds) {
      for (const row& each : rows) {
        if (applies(each, reader, of_pair)) {
          list.add(std::string(reader.name) + ' ' + name_of(of_pair) + ": " + each.name,
                   [&reader, of_pair, &each](outcome& out) { each.run(out, reader, of_pair); });
        }
      }
    }
  }
}

}  // namespace fidelity
