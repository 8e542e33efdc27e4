// The Go Programming Language Specification, "Select statements". Titles name the clauses; docs/conformance.md lists
// them.
#include "test/conformance/crew.h"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;
using csp::chan;
using csp::closed_channel;
using csp::on_recv;
using csp::on_send;
using csp::op_status;
using csp::otherwise;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::throws;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;

// Counts its copies.
struct counted {
  explicit counted(std::atomic<int>& copies) : copies_(&copies) {}
  counted(const counted& other) : copies_(other.copies_) { ++*copies_; }
  counted(counted&& other) noexcept = default;
  counted& operator=(const counted&) = delete;
  counted& operator=(counted&&) = delete;
  ~counted() = default;
  std::atomic<int>* copies_;
};

}  // namespace

TEST_CASE("go spec, Select statements: channels and values are evaluated exactly once, whichever arm is chosen") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      std::atomic<int> copies{0};
      const counted value(copies);
      const chan<counted> ready(1);
      const chan<counted> never;
      int evaluated = 0;
      const auto channel = [&](const chan<counted>& which) {
        ++evaluated;
        return which;
      };
      expect(csp::select(on_send(channel(never), value), on_send(channel(ready), value)) == 1, "the ready one");
      expect(evaluated == 2, "each channel was evaluated once");
      expect(copies == 2, "each value was copied once, the loser's too");
      expect(ready.recv().has_value() && copies == 2, "the way through the channel copies nothing");
    });
    people.join();
  });
}

TEST_CASE("go spec, Select statements: an arm that can proceed is chosen, and its operation alone is done") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> full(1);
      const chan<int> empty(1);
      full.send(1);
      for (int i = 0; i < 20; ++i) {
        int handled = 0;
        const int chosen = csp::select(on_send(full, 2, [&] { handled = 100; }),
                                       on_recv(full, [&](std::optional<int> got) { handled = got.value(); }),
                                       on_recv(empty, [&](std::optional<int>) { handled = 200; }));
        expect(chosen == 1 && handled == 1, "the only one that can proceed");
        expect(full.size() == 0 && empty.size() == 0, "and nothing else happened");
        full.send(1);
      }
    });
    people.join();
  });
}

TEST_CASE("go spec, Select statements: if none can proceed, the default is chosen") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> channel;
      bool ran = false;
      expect(csp::select(on_recv(channel), otherwise([&] { ran = true; }), on_send(channel, 1)) == 1, "default");
      expect(ran, "its handler ran");
      expect(csp::select(otherwise()) == 0, "alone");
      expect(csp::select(otherwise(), on_recv(csp::receiver<int>())) == 0, "beside a nil channel");
      const chan<int> ready(1);
      expect(csp::select(otherwise(), on_send(ready, 1)) == 1, "not if another can proceed");
      expect(csp::select(otherwise(), on_recv(ready)) == 1, "not if another can proceed");
      expect(waiting_to_receive(channel) == 0 && waiting_to_send(channel) == 0, "nothing was left behind");
    });
    people.join();
  });
}

TEST_CASE("go spec, Select statements: the default is not chosen while an arm can proceed at any moment") {
  on_each_cast([](expectations& expect, crew& people) {
    // A channel of one place can always be sent to or received from, whatever others do to it meanwhile.
    const chan<int> place(1);
    std::atomic<std::size_t> gave_up{0};
    const std::size_t rounds = csp_test::scaled(20'000);
    for (int member = 0; member < 4; ++member) {
      people.add([&, rounds] {
        for (std::size_t i = 0; i < rounds; ++i) {
          csp::select(on_send(place, 1), on_recv(place), otherwise([&] { ++gave_up; }));
          if (i % 64 == 0) {
            csp::yield();
          }
        }
      });
    }
    people.join();
    expect(gave_up == 0, "it never was");
  });
}

TEST_CASE("go spec, Select statements: the default may stand anywhere") {
  const chan<int> quiet;
  CHECK(csp::select(otherwise(), on_recv(quiet), on_send(quiet, 1)) == 0);
  CHECK(csp::select(on_recv(quiet), otherwise(), on_send(quiet, 1)) == 1);
  CHECK(csp::select(on_recv(quiet), on_send(quiet, 1), otherwise()) == 2);
}

TEST_CASE(
    "go spec, Select statements: what receives the value is evaluated for the chosen arm alone, and then its body") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> ready(1);
      const chan<int> quiet;
      ready.send(6);
      std::string steps;
      const auto body = [&steps](const char* name) {
        return [&steps, name](std::optional<int> got) { steps += name + std::to_string(got.value_or(-1)); };
      };
      csp::select(on_recv(quiet, body("quiet")), on_recv(ready, body("ready")), otherwise([&] { steps += "default"; }));
      steps += " after";
      expect(steps == "ready6 after", "the chosen arm's handler has run, no other, before the select returned");
    });
    people.join();
  });
}

TEST_CASE("go spec, Select statements: without a default it blocks until an arm can proceed") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const int which : {0, 1, 2, 3}) {
      const chan<int> first;
      const chan<std::string> second;
      const chan<int> third;
      const chan<int> fourth(1);
      fourth.send(9);
      std::atomic<int> chosen{-1};
      std::string handled;
      people.add([&] {
        chosen =
            csp::select(on_recv(first, [&](std::optional<int> got) { handled = std::to_string(*got); }),
                        on_recv(second, [&](std::optional<std::string> got) { handled = got.value(); }),
                        on_send(third, 3, [&] { handled = "third"; }), on_send(fourth, 4, [&] { handled = "fourth"; }));
      });
      await([&] { return waiting_to_send(fourth) == 1; });
      expect(chosen == -1, "it blocks");
      expect(waiting_to_receive(first) == 1 && waiting_to_receive(second) == 1 && waiting_to_send(third) == 1,
             "on every channel");
      people.add([&] {
        switch (which) {
          case 0:
            first.send(11);
            break;
          case 1:
            second.send("second");
            break;
          case 2:
            expect(third.recv() == 3, "the value of the send arm");
            break;
          default:
            expect(fourth.recv() == 9, "the oldest");
        }
      });
      people.join();
      expect(chosen == which, "the one that could proceed");
      expect(handled == (which == 0 ? "11" : which == 1 ? "second" : which == 2 ? "third" : "fourth"), "its handler");
      expect(waiting_to_receive(first) + waiting_to_receive(second) == 0, "the losers have gone");
      expect(waiting_to_send(third) + waiting_to_send(fourth) == 0, "the losers have gone");
      expect(first.try_send(1) == op_status::would_block && third.try_recv().status == op_status::would_block,
             "nobody meets them any more");
      expect(fourth.size() == 1 && fourth.recv() == (which == 3 ? 4 : 9), "the buffer has what was sent, no more");
    }
  });
}

TEST_CASE("go spec, Select statements: a send arm that meets a closed channel throws closed_channel, where Go panics") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> closed(1);
      const chan<int> quiet;
      closed.close();
      bool ran = false;
      const auto handler = [&] { ran = true; };
      expect(throws<closed_channel>([&] { csp::select(on_send(closed, 1, handler)); }), "alone");
      expect(throws<closed_channel>([&] { csp::select(on_send(closed, 1, handler), otherwise()); }),
             "a closed channel can proceed, so otherwise is not chosen");
      expect(throws<closed_channel>([&] { csp::select(on_recv(quiet), on_send(closed, 1), csp::on_timeout(1h)); }),
             "beside others");
      expect(!ran && closed.size() == 0, "no handler ran, nothing was sent");
    });
    people.join();
  });
}

TEST_CASE(
    "go spec, Select statements: a receive arm on a closed channel proceeds, with what was sent and then with "
    "nothing") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> channel(2);
      const chan<int> quiet;
      channel << 1;
      channel.close();
      for (const std::optional<int> wanted : {std::optional<int>(1), std::optional<int>(), std::optional<int>()}) {
        std::optional<int> got(-1);
        expect(csp::select(on_recv(quiet), on_recv(channel, [&](std::optional<int> value) { got = value; })) == 1,
               "the closed one");
        expect(got == wanted, "first the value, then nothing");
      }
    });
    people.join();
  });
}

TEST_CASE("go spec, Select statements: with nil channels alone and no default it blocks for ever") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    std::atomic<int> reached{0};
    const auto blocks = [&](auto wait) {
      const int before = reached;
      auto task = csp::spawn([&, wait] {
        ++reached;
        const bool canceled = throws<csp::canceled>([&] { wait(); });
        ++reached;
        return canceled;
      });
      await([&] { return reached == before + 1; });
      for (int i = 0; i < 100; ++i) {
        csp::yield();
      }
      expect(reached == before + 1, "it blocks");
      task.cancel();
      expect(task.join(), "only cancellation ends it");
    };
    const chan<int> channel(1);
    blocks([] { return csp::select(on_recv(csp::receiver<int>()), on_send(csp::sender<int>(), 1)); });
    blocks([] { return csp::select(); });
    blocks([&] { return csp::select(csp::when(false, on_send(channel, 1)), csp::when(false, otherwise())); });
    blocks([] { return csp::select(csp::on_timeout(std::chrono::steady_clock::duration::max())); });
    blocks([] { return csp::select_list().run(); });
    expect(channel.size() == 0, "nothing was done");
  });
}

TEST_CASE("go spec, Select statements: an arm on a nil channel never proceeds") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    people.add([&] {
      for (int i = 0; i < 20; ++i) {
        const int chosen = csp::select(on_recv(csp::receiver<int>()), on_recv(channel), on_send(csp::sender<int>(), 1));
        expect(chosen == 1, "the one that exists");
      }
    });
    people.add([&] {
      for (int i = 0; i < 20; ++i) {
        channel.send(i);
      }
    });
    people.join();
  });
}
