// Channels: values sent in all forms by many and received in all forms by many, each followed by the ledger.
#include "test/soak/scene.h"

#include "test/support/ledger.h"

#include <atomic>
#include <chrono>
#include <optional>

namespace csp_test {
namespace {

using namespace std::chrono_literals;
using channel = csp::chan<token>;

csp::op_status send_once(const channel& first, const channel& second, token& value, dice& chance) {
  const auto limit = std::chrono::microseconds(chance.below(60));
  switch (chance.below(6)) {
    case 0:
      first.send(std::move(value));
      return csp::op_status::ok;
    case 1:
      return first.try_send(std::move(value));
    case 2:
      return first.send_for(std::move(value), limit);
    case 3:
      csp::select(csp::on_send(first, std::move(value)), csp::on_send(second, std::move(value)));
      return csp::op_status::ok;
    case 4:
      return csp::select(csp::on_send(first, std::move(value)), csp::on_send(second, std::move(value)),
                         csp::otherwise()) == 2
                 ? csp::op_status::would_block
                 : csp::op_status::ok;
    default: {
      csp::select_list arms;
      arms.add(csp::on_timeout(limit)).add(csp::on_send(second, std::move(value)));
      return arms.run() == 0 ? csp::op_status::timeout : csp::op_status::ok;
    }
  }
}

// False when the channel that was asked has come to its end.
bool receive_once(const channel& first, const channel& second, ledger& book, dice& chance) {
  bool open = true;
  const auto take = [&](std::optional<token> got) {
    open = got.has_value();
    if (got) {
      book.received(*got);
    }
  };
  const auto judge = [&](csp::recv_result<token> got) {
    open = got.status != csp::op_status::closed;
    if (got.value) {
      book.received(*got.value);
    }
  };
  const auto limit = std::chrono::microseconds(chance.below(60));
  switch (chance.below(5)) {
    // Who waits without a limit waits at both: all others may wait at the other one.
    case 0: {
      csp::select_list arms;
      arms.add(csp::on_recv(first, take)).add(csp::on_recv(second, take));
      arms.run();
      break;
    }
    case 1:
      judge(first.try_recv());
      csp::yield();
      break;
    case 2:
      judge(first.recv_for(limit));
      break;
    case 3:
      csp::select(csp::on_recv(first, take), csp::on_recv(second, take), csp::on_timeout(limit));
      break;
    default:
      csp::select(csp::on_recv(second, take), csp::on_recv(first, take));
  }
  return open;
}

// Sends its share; what a closed channel refuses stays with the sender. The rule of both parts: sent is received, and
// refused is kept.
void send_share(const channel& a, const channel& b, ledger& book, std::uint64_t first, std::size_t share, dice chance) {
  for (std::uint64_t id = first; id < first + share; ++id) {
    token value(id);
    for (bool done = false; !done;) {
      const bool swapped = chance.once_in(2);
      try {
        if (send_once(swapped ? b : a, swapped ? a : b, value, chance) == csp::op_status::ok) {
          book.sent(id, value);
          done = true;
          continue;
        }
        done = a.is_closed() && b.is_closed();
      } catch (const csp::closed_channel&) {
        done = a.is_closed() && b.is_closed();
      }
      book.kept(id, value);
      csp::yield();
    }
  }
}

void receive_until_end(const channel& a, const channel& b, ledger& book, dice chance) {
  // One that has come to its end says so at once, each time; then the other is received alone.
  while (receive_once(a, b, book, chance) || !a.is_closed() || !b.is_closed()) {
  }
  for (const channel& each : {a, b}) {
    for (const token& left : each) {
      book.received(left);
    }
  }
}

struct traffic {
  explicit traffic(scene& scenery)
      : here(scenery),
        share(scaled(200 + here.chance.below(2'000))),
        senders(1 + here.chance.below(5)),
        a(here.chance.below(2) * here.chance.below(20)),
        b(here.chance.below(2) * here.chance.below(200)),
        book(share * senders, here.expect) {}

  void start(crowd& sending, crowd& receiving) {
    for (std::size_t i = 0; i < senders; ++i) {
      sending.add([this, first = 1 + i * share, chance = dice(here.chance.word())] {
        send_share(a, b, book, first, share, chance);
      });
    }
    const unsigned receivers = 1 + here.chance.below(5);
    for (unsigned i = 0; i < receivers; ++i) {
      receiving.add([this, chance = dice(here.chance.word())] { receive_until_end(a, b, book, chance); });
    }
  }
  void close() const {
    a.close();
    b.close();
  }

  scene& here;
  const std::size_t share;
  const std::size_t senders;
  const channel a;
  const channel b;
  ledger book;
};

}  // namespace

void values_through_channels(scene& here) {
  traffic all(here);
  crowd receiving(here);
  {
    crowd sending(here);
    all.start(sending, receiving);
  }
  all.close();
  receiving.join();
  here.expect(all.book.settle() == all.share * all.senders, "every value went across");
  here.expect(all.a.size() + all.b.size() == 0, "the buffers are empty");
}

void channels_closed_in_use(scene& here) {
  traffic all(here);
  crowd receiving(here);
  crowd sending(here);
  all.start(sending, receiving);
  csp::sleep_for(std::chrono::microseconds(here.chance.below(3'000)));
  all.close();
  sending.join();
  receiving.join();
  here.expect(all.book.settle() <= all.share * all.senders, "what was sent was received, the rest kept");
  here.expect(all.a.size() + all.b.size() == 0, "the buffers are empty");
}

}  // namespace csp_test
