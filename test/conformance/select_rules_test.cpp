// What csp::select adds to Go's: a timeout arm, when(), handlers, arms of temporary handles.
#include "test/conformance/crew.h"

#include <atomic>
#include <memory>
#include <optional>
#include <stdexcept>

namespace {

using namespace std::chrono_literals;
using csp::chan;
using csp::on_recv;
using csp::on_send;
using csp::on_timeout;
using csp::otherwise;
using csp::when;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::throws;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;
using steady = std::chrono::steady_clock;

}  // namespace

TEST_CASE("timeout arm: is chosen when its time has come and no other arm was ready, not earlier") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> quiet;
      const auto start = steady::now();
      bool ran = false;
      expect(csp::select(on_recv(quiet), on_timeout(3ms, [&] { ran = true; })) == 1, "chosen");
      expect(ran && steady::now() - start >= 3ms, "in its time");
      expect(csp::select(on_timeout(steady::now() + 1ms), on_recv(quiet)) == 0, "a point in time");
      expect(steady::now() - start >= 4ms, "in its time");
      expect(csp::select(on_timeout(1ms)) == 0, "alone it is a sleep");
      expect(csp::select(on_timeout(1h), on_timeout(1ms), on_timeout(2h)) == 1, "the earliest");
      expect(steady::now() - start >= 6ms, "in its time");
    });
    people.join();
  });
}

TEST_CASE("timeout arm: zero, negative and past ones are chosen at once, unless another arm is ready") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> quiet;
      const chan<int> ready(1);
      ready.send(1);
      for (const auto limit : {steady::duration(0), steady::duration(-1h), steady::duration::min()}) {
        expect(csp::select(on_recv(quiet), on_timeout(limit)) == 1, "at once");
        expect(csp::select(on_timeout(limit), on_recv(ready)) == 1, "what is ready comes first");
        ready.send(1);
      }
      expect(csp::select(on_timeout(steady::now() - 1s), on_recv(quiet)) == 0, "a point in the past");
      expect(csp::select(on_timeout(-1s), otherwise()) == 1, "otherwise is chosen without a wait");
      expect(waiting_to_receive(quiet) == 0, "nothing is left");
    });
    people.join();
  });
}

TEST_CASE("timeout arm: one that is kept until after its time is chosen, unless another arm is ready") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> quiet;
      const chan<int> ready(1);
      auto limit = on_timeout(1ms);
      csp::sleep_for(2ms);
      ready.send(1);
      expect(csp::select(limit, on_recv(ready)) == 1, "what is ready comes first");
      expect(csp::select(limit, on_recv(quiet)) == 0, "its time has passed");
      expect(csp::select(on_recv(quiet), on_timeout(1h), limit) == 2, "the earliest");
      expect(waiting_to_receive(quiet) == 0, "nothing is left");
    });
    people.join();
  });
}

TEST_CASE("timeout arm: duration::max() never fires; another arm ends the wait") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    people.add([&] {
      expect(csp::select(on_timeout(steady::duration::max()), on_recv(channel)) == 1, "the value");
      expect(csp::select(on_timeout(steady::time_point::max()), on_send(channel, 1)) == 1, "the value");
    });
    people.add([&] {
      channel.send(1);
      expect(channel.recv() == 1, "the value");
    });
    people.join();
  });
}

TEST_CASE("when: an arm whose condition does not hold is never chosen, whatever it is") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<int> channel(1);
      for (const bool receive : {false, true, false, true}) {
        expect(csp::select(when(receive, on_recv(channel)), when(!receive, on_send(channel, 1))) == (receive ? 0 : 1),
               "the one whose condition holds");
      }
      channel.send(1);
      expect(csp::select(when(false, on_recv(channel)), when(true, otherwise())) == 1, "otherwise");
      expect(csp::select(when(false, otherwise()), when(false, on_timeout(0s)), on_timeout(1ms)) == 2, "the later one");
      channel.close();
      expect(csp::select(when(false, on_send(channel, 2)), on_recv(channel)) == 1, "a closed channel does not throw");
      auto value = std::make_unique<int>(1);
      const chan<std::unique_ptr<int>> boxes(1);
      expect(csp::select(when(false, on_send(boxes, std::move(value))), otherwise()) == 1, "not sent");
      expect(value != nullptr, "not moved from");
    });
    people.join();
  });
}

TEST_CASE("handlers: run in the caller after the select has finished; may block, select again and throw") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> outer;
    const chan<int> inner;
    people.add([&] {
      int got = 0;
      csp::select(
          on_recv(outer,
                  [&](std::optional<int> first) {
                    expect(waiting_to_receive(outer) == 0 && waiting_to_receive(inner) == 0, "the select is over");
                    got += *first;
                    got += *outer.recv();  // block on the same channel
                    csp::select(on_recv(inner, [&](std::optional<int> third) { got += *third; }), on_recv(outer));
                  }),
          on_recv(inner));
      expect(got == 111, "all three");
      expect(throws<std::runtime_error>([&] {
               csp::select(on_recv(outer, [](std::optional<int>) { throw std::runtime_error("mine"); }),
                           on_recv(inner));
             }),
             "its exception comes out");
      expect(throws<std::runtime_error>([&] { csp::select(otherwise([] { throw std::runtime_error("mine"); })); }),
             "of any arm");
      expect(
          throws<std::runtime_error>([&] { csp::select(on_timeout(1us, [] { throw std::runtime_error("mine"); })); }),
          "of any arm");
      bool sent = false;
      expect(throws<std::runtime_error>([&] {
               csp::select(on_send(inner, 7, [&] {
                 sent = true;
                 throw std::runtime_error("mine");
               }));
             }),
             "of any arm");
      expect(sent, "after the send");
    });
    people.add([&] {
      outer << 1 << 10;
      inner << 100;
      outer << 1;  // for the handler that throws: the value is received nevertheless
      expect(inner.recv() == 7, "sent before the handler threw");
    });
    people.join();
    expect(waiting_to_receive(inner) == 0 && waiting_to_receive(outer) == 0, "nothing is left");
  });
}

TEST_CASE("handlers: a receive handler may take its optional by value, by reference or move it on") {
  const chan<std::unique_ptr<int>> channel(3);
  std::unique_ptr<int> kept;
  channel << std::make_unique<int>(1) << std::make_unique<int>(2) << std::make_unique<int>(3);
  csp::select(on_recv(channel, [&](std::optional<std::unique_ptr<int>> value) { kept = std::move(*value); }));
  CHECK(*kept == 1);
  csp::select(on_recv(channel, [&](std::optional<std::unique_ptr<int>>&& value) { kept = *std::move(value); }));
  CHECK(*kept == 2);
  csp::select(on_recv(channel, [&](const std::optional<std::unique_ptr<int>>& value) { CHECK(**value == 3); }));
  CHECK(channel.size() == 0);
}

TEST_CASE("handlers: may set a handle of the select to nil, Go's way to go on without a channel that was closed") {
  on_each_cast([](expectations& expect, crew& people) {
    chan<int> first;
    chan<int> second(1);
    for (const chan<int>& source : {first, second}) {
      people.add([source] {  // its own handle: the loop below drops the others
        for (int i = 0; i < 20; ++i) {
          source.send(1);
        }
        source.close();
      });
    }
    int sum = 0;
    const auto drain = [&sum](chan<int>& source) {
      return [&sum, &source](std::optional<int> value) { value ? sum += *value : (source = chan<int>(csp::nil), 0); };
    };
    while (first || second) {
      csp::select(on_recv(first, drain(first)), on_recv(second, drain(second)));
    }
    expect(sum == 40, "all values of both");
    people.join();
  });
}

TEST_CASE("arms: one made from a temporary handle, or kept in a list, keeps its channel") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const auto full = [](int value) {
        const chan<int> result(1);
        result.send(value);
        return result;
      };
      int got = 0;
      const auto take = [&](std::optional<int> value) { got = *value; };
      auto arm = on_recv(full(1), take);
      expect(csp::select(arm) == 0 && got == 1, "an arm with a name");
      expect(csp::select(on_send(chan<int>(), 1), on_recv(csp::receiver<int>(full(2)), take)) == 1 && got == 2,
             "a view");
      csp::select_list list;
      {
        const chan<int> local = full(3);
        list.add(on_recv(local, take)).add(on_send(chan<int>(), 1));
      }
      expect(list.run() == 0 && got == 3, "a list");
    });
    people.join();
  });
}
