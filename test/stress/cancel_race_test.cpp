// Cancellation races wakes, timeouts and closes: whoever wins, every value, permit and lock is accounted for.
#include "test/support/dice.h"
#include "test/support/ledger.h"
#include "test/support/topologies.h"

#include <chrono>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;
using csp_test::dice;
using csp_test::token;

namespace {

// The outcome of a task that may have been cancelled.
enum class outcome { no, yes, canceled };

outcome end_of(csp::join_handle<bool>& task) {
  try {
    return task.join() ? outcome::yes : outcome::no;
  } catch (const csp::canceled&) {
    return outcome::canceled;
  }
}

void pause(dice& chance) {
  for (unsigned i = chance.below(4); i != 0; --i) {
    csp::yield();
  }
}

// One value, a sender and a receiver, one or both of which are cancelled, time out, or find the channel closed.
void race_on_channel(csp_test::expectations& expect, dice& chance) {
  const csp::chan<token> meeting(chance.below(2));
  const csp::chan<token> other;
  token value(42);
  bool sent = false;
  bool received = false;
  const unsigned how_to_send = chance.below(4);
  const unsigned how_to_receive = chance.below(4);
  const auto limit = std::chrono::microseconds(1 + chance.below(20));
  auto sender = csp::spawn([&] {
    try {
      switch (how_to_send) {
        case 0:
          meeting.send(std::move(value));
          sent = true;
          break;
        case 1:
          sent = meeting.send_for(std::move(value), limit) == csp::op_status::ok;
          break;
        case 2:
          sent = csp::select(csp::on_send(meeting, std::move(value)), csp::on_recv(other)) == 0;
          break;
        default:
          sent = csp::select(csp::on_timeout(limit), csp::on_send(meeting, std::move(value))) == 1;
          break;
      }
    } catch (const csp::closed_channel&) {
    }
    return sent;
  });
  auto receiver = csp::spawn([&] {
    const auto take = [&](std::optional<token> got) {
      received = got.has_value();
      expect(!received || got->id == 42, "the value is whole");
    };
    switch (how_to_receive) {
      case 0:
        take(meeting.recv());
        break;
      case 1: {
        auto result = meeting.recv_for(limit);
        expect((result.status == csp::op_status::ok) == result.value.has_value(), "a value exactly when ok");
        take(std::move(result.value));
        break;
      }
      case 2:
        csp::select(csp::on_recv(other), csp::on_recv(meeting, take));
        break;
      default:
        csp::select(csp::on_recv(meeting, take), csp::on_recv(other), csp::on_timeout(limit));
        break;
    }
    return received;
  });
  pause(chance);
  const unsigned what = chance.below(4);
  if (what == 0) {
    meeting.close();
  }
  if (what == 1 || what == 3) {
    receiver.cancel();
  }
  if (what == 2 || what == 3) {
    sender.cancel();
  }
  pause(chance);
  // Whoever has nobody left to meet is cancelled now.
  sender.cancel();
  const outcome of_sender = end_of(sender);
  receiver.cancel();
  const outcome of_receiver = end_of(receiver);
  expect((of_sender == outcome::yes) == sent, "cancelled means not sent");
  expect((of_receiver == outcome::yes) == received, "cancelled means not received");
  const bool left = meeting.try_recv().value.has_value();
  expect(sent == (received || left) && !(received && left), "sent exactly when received or buffered");
  expect(value.id == (sent ? 0U : 42U), "an unsent value stays with its sender");
}

// A permit is released while its taker is cancelled.
void race_on_semaphore(csp_test::expectations& expect, dice& chance) {
  csp::semaphore permits(0);
  const bool timed = chance.below(2) != 0;
  auto taker = csp::spawn([&] {
    if (timed) {
      return permits.try_acquire_for(5us);
    }
    permits.acquire();
    return true;
  });
  auto giver = csp::spawn([&] {
    permits.release();
    return true;
  });
  pause(chance);
  taker.cancel();
  const bool taken = end_of(taker) == outcome::yes;
  expect(end_of(giver) == outcome::yes, "the giver is not cancelled");
  expect(permits.try_acquire() == !taken, "a permit is taken or still there");
  expect(!permits.try_acquire(), "there was one permit");
}

// A notification is sent while its only waiter is cancelled, and a second waiter must not be forgotten.
void race_on_condition(csp_test::expectations& expect, dice& chance) {
  csp::mutex lock;
  csp::condition_variable changed;
  int items = 0;  // guarded by lock
  const auto take = [&](bool timed) {
    std::unique_lock held(lock);
    try {
      if (timed) {
        if (!changed.wait_for(held, 20us, [&] { return items > 0; })) {
          expect(held.owns_lock(), "a wait that timed out holds the lock");
          return false;
        }
      } else {
        changed.wait(held, [&] { return items > 0; });
      }
    } catch (const csp::canceled&) {
      expect(held.owns_lock() && !lock.try_lock(), "a cancelled wait holds the lock");
      throw;
    }
    --items;
    return true;
  };
  const bool timed = chance.below(2) != 0;
  auto first = csp::spawn([&, timed] { return take(timed); });
  auto second = csp::spawn([&] { return take(false); });
  auto giver = csp::spawn([&] {
    for (int i = 0; i < 2; ++i) {
      {
        const std::lock_guard held(lock);
        ++items;
      }
      changed.notify_all();
    }
    return true;
  });
  pause(chance);
  first.cancel();
  const bool first_took = end_of(first) == outcome::yes;
  expect(end_of(second) == outcome::yes, "the second waiter gets an item, whatever became of the first");
  expect(end_of(giver) == outcome::yes, "the giver is not cancelled");
  expect(items == (first_took ? 0 : 1), "each item is taken once or left");
  expect(lock.try_lock(), "the mutex is free");
  lock.unlock();
}

// The rest of the waits: each ends, by its event or by the cancellation.
void race_on_rest(csp_test::expectations& expect, dice& chance) {
  csp::wait_group group(1);
  const csp::chan<int> nowhere(csp::nil);
  const unsigned which = chance.below(5);
  auto slow = csp::spawn([&] {
    csp::yield();
    return true;
  });
  auto waiting = csp::spawn([&] {
    switch (which) {
      case 0:
        group.wait();
        return true;
      case 1:
        return group.wait_for(10us);
      case 2:
        return slow.join();
      case 3:
        csp::sleep_for(std::chrono::microseconds(2));
        return true;
      default:
        return nowhere.recv().has_value();
    }
  });
  pause(chance);
  if (chance.below(2) != 0) {
    group.done();
    waiting.cancel();
  } else {
    waiting.cancel();
    group.done();
  }
  const outcome end = end_of(waiting);
  expect(which != 4 || end == outcome::canceled, "a nil channel is left by cancellation only");
  expect(end != outcome::no || which == 1, "only a timed wait may say no");
  // The handle is still joinable if the join was cancelled.
  if (slow.joinable()) {
    expect(end_of(slow) == outcome::yes, "a task whose joiner was cancelled ends as it would");
  } else {
    expect(which == 2 && end == outcome::yes, "joined once");
  }
}

void race(csp_test::expectations& expect, std::uint64_t seed, std::size_t rounds) {
  dice chance(seed);
  for (std::size_t i = 0; i < rounds; ++i) {
    switch (chance.below(8)) {
      case 0:
        race_on_semaphore(expect, chance);
        break;
      case 1:
        race_on_condition(expect, chance);
        break;
      case 2:
        race_on_rest(expect, chance);
        break;
      default:
        race_on_channel(expect, chance);
        break;
    }
  }
}

}  // namespace

TEST_CASE("cancellation races wakes, timeouts and closes") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned processors) {
    // About eight operations a round.
    const std::size_t rounds = csp_test::scaled(150'000);
    const std::size_t workers = 1 + processors;
    csp::wait_group all;
    for (std::size_t i = 0; i < workers; ++i) {
      all.go([&, i] { race(expect, 10 * processors + i, rounds / workers); });
    }
    // The same from a plain thread.
    std::thread outside([&, processors] { race(expect, 1000 + processors, rounds / 20); });
    all.wait();
    csp::blocking([&] { outside.join(); });
  });
}
