// Everything at once on a few channels: all forms of sending and receiving, selects, timeouts that race wakes, and
// closes, from tasks and plain threads. Each value is followed by the ledger.
#include "test/support/dice.h"
#include "test/support/ledger.h"
#include "test/support/topologies.h"

#include <array>
#include <chrono>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;
using csp_test::dice;
using csp_test::ledger;
using csp_test::token;

namespace {

// Channels that are closed and replaced while they are in use.
class board {
 public:
  static constexpr unsigned slots = 4;

  csp::chan<token> at(unsigned slot) {
    const std::lock_guard guard(lock_);
    return channels_[slot];
  }
  // Puts a fresh channel into a slot, closes the old one, and receives what is left in it.
  void replace(unsigned slot, std::size_t capacity, ledger& book) {
    csp::chan<token> old(capacity);
    {
      const std::lock_guard guard(lock_);
      std::swap(old, channels_[slot]);
    }
    retire(old, book);
  }
  void retire_all(ledger& book) {
    for (unsigned slot = 0; slot < slots; ++slot) {
      retire(at(slot), book);
    }
  }

 private:
  static void retire(const csp::chan<token>& channel, ledger& book) {
    channel.close();
    // After the close nothing comes in, so this sees the end.
    for (const token& left : channel) {
      book.received(left);
    }
  }

  std::mutex lock_;
  std::array<csp::chan<token>, slots> channels_{csp::chan<token>(0), csp::chan<token>(0), csp::chan<token>(1),
                                                csp::chan<token>(7)};
};

struct stage {
  board& channels;
  ledger& book;
  std::atomic<bool> over{false};
};

csp::op_status send_by_select(stage& all, token& value, dice& chance) {
  const csp::chan<token> a = all.channels.at(chance.below(board::slots));
  const csp::chan<token> b = all.channels.at(chance.below(board::slots));
  const auto take = [&](std::optional<token> got) {
    if (got) {
      all.book.received(*got);
    }
  };
  switch (chance.below(4)) {
    case 0:
      return csp::select(csp::on_send(a, std::move(value)), csp::on_send(b, std::move(value)),
                         csp::on_timeout(std::chrono::microseconds(chance.below(40)))) == 2
                 ? csp::op_status::timeout
                 : csp::op_status::ok;
    case 1:
      return csp::select(csp::otherwise(), csp::on_send(a, std::move(value))) == 0 ? csp::op_status::would_block
                                                                                   : csp::op_status::ok;
    case 2:  // either way round, also with itself
      return csp::select(csp::on_recv(b, take), csp::on_send(a, std::move(value))) == 0 ? csp::op_status::would_block
                                                                                        : csp::op_status::ok;
    default: {
      csp::select_list arms;
      arms.add(csp::on_send(a, std::move(value))).add(csp::on_recv(b, take)).add(csp::on_timeout(20us));
      return arms.run() == 0 ? csp::op_status::ok : csp::op_status::timeout;
    }
  }
}

csp::op_status send_somehow(stage& all, token& value, dice& chance) {
  const csp::chan<token> to = all.channels.at(chance.below(board::slots));
  switch (chance.below(8)) {
    case 0:
      to.send(std::move(value));
      return csp::op_status::ok;
    case 1:
      to << std::move(value);
      return csp::op_status::ok;
    case 2:
      return to.try_send(std::move(value));
    case 3:
      return to.send_for(std::move(value), std::chrono::microseconds(chance.below(30)));
    case 4:
      return to.send_until(std::move(value), csp::clock::now() + std::chrono::microseconds(chance.below(100)));
    default:
      return send_by_select(all, value, chance);
  }
}

// Sends `count` values from `first` on. One in eight is given up when it did not go at once: it stays unsent.
void send_all(stage& all, std::uint64_t first, std::size_t count) {
  dice chance(first);
  for (std::uint64_t id = first; id < first + count; ++id) {
    token value(id);
    for (;;) {
      csp::op_status status = csp::op_status::closed;
      try {
        status = send_somehow(all, value, chance);
      } catch (const csp::closed_channel&) {
      }
      if (status == csp::op_status::ok) {
        all.book.sent(id, value);
        break;
      }
      all.book.kept(id, value);
      if (chance.below(8) == 0) {
        break;
      }
      if (status == csp::op_status::would_block) {
        csp::yield();
      }
    }
  }
}

// False when the channel was closed.
bool receive_somehow(stage& all, dice& chance) {
  const csp::chan<token> from = all.channels.at(chance.below(board::slots));
  const csp::chan<token> other = all.channels.at(chance.below(board::slots));
  bool closed = false;
  const auto take = [&](std::optional<token> got) {
    closed = !got;
    if (got) {
      all.book.received(*got);
    }
  };
  const auto judge = [&](csp::op_status status, std::optional<token> got) {
    closed = status == csp::op_status::closed;
    if (status == csp::op_status::ok) {
      all.book.received(got);
    }
    if (status == csp::op_status::would_block) {
      csp::yield();
    }
  };
  token value;
  switch (chance.below(8)) {
    case 0:
      take(from.recv());
      break;
    case 1:
      try {
        from >> value;
        all.book.received(value);
      } catch (const csp::closed_channel&) {
        closed = true;
      }
      break;
    case 2: {
      const csp::op_status status = from.try_recv(value);
      judge(status, std::move(value));
      break;
    }
    case 3: {
      auto result = from.recv_for(std::chrono::microseconds(chance.below(50)));
      judge(result.status, std::move(result.value));
      break;
    }
    case 4: {
      const csp::op_status status = from.recv_until(value, csp::clock::now() + 10us);
      judge(status, std::move(value));
      break;
    }
    case 5:
      csp::select(csp::on_recv(from, take), csp::on_recv(other, take), csp::on_timeout(30us));
      break;
    case 6:
      csp::select(csp::on_recv(other, take), csp::on_recv(from, take));
      break;
    default:
      csp::select(csp::on_recv(from, take), csp::on_recv(other, take), csp::otherwise([] { csp::yield(); }));
      break;
  }
  return !closed;
}

void receive_all(stage& all, std::uint64_t seed) {
  dice chance(seed);
  while (receive_somehow(all, chance) || !all.over.load()) {
  }
}

void close_now_and_then(stage& all, std::uint64_t seed) {
  dice chance(seed);
  while (!all.over.load()) {
    // Also what keeps things going when all senders wait at one channel and all receivers at another.
    csp::sleep_for(std::chrono::microseconds(100 + chance.below(300)));
    all.channels.replace(chance.below(board::slots), chance.below(3), all.book);
  }
}

}  // namespace

TEST_CASE("a mix of all operations accounts for every value") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned) {
    constexpr std::size_t tasks = 6;
    const std::size_t share = csp_test::scaled(150'000);
    const std::size_t thread_share = csp_test::scaled(6'000);  // a thread's wait costs a futex call
    const std::size_t total = tasks * share + 2 * thread_share;

    board channels;
    ledger book(total, expect);
    stage all{channels, book};
    csp::wait_group senders;
    csp::wait_group receivers;
    csp::wait_group closer;
    for (std::size_t i = 0; i < tasks; ++i) {
      senders.go([&, i] { send_all(all, 1 + i * share, share); });
      receivers.go([&, i] { receive_all(all, 1000 + i); });
    }
    closer.go([&] { close_now_and_then(all, 77); });
    std::thread sender([&] { send_all(all, 1 + tasks * share, thread_share); });
    std::thread other_sender([&] { send_all(all, 1 + tasks * share + thread_share, thread_share); });
    std::thread receiver([&] { receive_all(all, 2000); });
    senders.wait();
    csp::blocking([&] {
      sender.join();
      other_sender.join();
    });
    all.over.store(true);
    closer.wait();
    channels.retire_all(book);
    receivers.wait();
    csp::blocking([&] { receiver.join(); });
    const std::size_t across = book.settle();
    expect(across > total / 2, "most values went across");
  });
}
