// Who owns a value: an rvalue is moved from only if it was sent. On closed, timeout, would_block, canceled and a losing
// select arm the caller still has it. Payloads may be move-only, without default constructor and not assignable.
#include "test/conformance/crew.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using csp::chan;
using csp::closed_channel;
using csp::op_status;
using csp_test::await;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;
using csp_test::throws;
using csp_test::waiting_to_receive;
using csp_test::waiting_to_send;

using box = std::unique_ptr<int>;

// Neither default-constructible nor assignable nor copyable; counts the moves along its way.
struct parcel {
  explicit parcel(int number) : number_(number) {}
  parcel(parcel&& other) noexcept : number_(std::exchange(other.number_, -1)), moves_(other.moves_ + 1) {}
  parcel(const parcel&) = delete;
  parcel& operator=(const parcel&) = delete;
  parcel& operator=(parcel&&) = delete;
  ~parcel() = default;

  int number_;
  int moves_ = 0;
};

}  // namespace

TEST_CASE("payload: an rvalue is moved from on success, by every form") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 1U}) {
      const chan<box> channel(capacity);
      people.add([&] {
        for (int form = 0; form < 6; ++form) {
          box value = std::make_unique<int>(form);
          switch (form) {
            case 0:
              channel.send(std::move(value));
              break;
            case 1:
              channel << std::move(value);
              break;
            case 2:
              expect(channel.send_for(std::move(value), 1h) == op_status::ok, "send_for");
              break;
            case 3:
              expect(channel.send_until(std::move(value), std::chrono::steady_clock::now() + 1h) == op_status::ok,
                     "send_until");
              break;
            case 4:
              csp::select(csp::on_send(channel, std::move(value)));
              break;
            default:
              while (channel.try_send(std::move(value)) != op_status::ok) {
                expect(value != nullptr, "a try in vain leaves it");
                csp::yield();
              }
          }
          expect(value == nullptr, "it was moved from");
        }
      });
      people.add([&] {
        for (int form = 0; form < 6; ++form) {
          box value;
          switch ((form + 1) % 6) {  // not the sender's: two that only try would never meet
            case 0:
              value = std::move(*channel.recv());
              break;
            case 1:
              channel >> value;
              break;
            case 2:
              expect(channel.recv_for(value, 1h) == op_status::ok, "recv_for");
              break;
            case 3:
              value = std::move(*channel.recv_until(std::chrono::steady_clock::now() + 1h).value);
              break;
            case 4:
              csp::select(csp::on_recv(channel, [&](std::optional<box> got) { value = std::move(*got); }));
              break;
            default:
              while (channel.try_recv(value) != op_status::ok) {
                csp::yield();
              }
          }
          expect(value != nullptr && *value == form, "it arrived");
        }
      });
      people.join();
    }
  });
}

TEST_CASE("payload: a value not sent stays with the caller: would_block, timeout, closed") {
  on_each_cast([](expectations& expect, crew& people) {
    people.add([&] {
      const chan<box> full(1);
      full.send(std::make_unique<int>(0));
      for (const chan<box>& channel : {chan<box>(), full}) {
        box value = std::make_unique<int>(1);
        const int* const address = value.get();
        const auto kept = [&] { return value.get() == address; };
        expect(channel.try_send(std::move(value)) == op_status::would_block && kept(), "try_send");
        expect(channel.send_for(std::move(value), 0s) == op_status::timeout && kept(), "send_for nothing");
        expect(channel.send_for(std::move(value), 1ms) == op_status::timeout && kept(), "send_for");
        expect(channel.send_until(std::move(value), std::chrono::steady_clock::now() + 1ms) == op_status::timeout &&
                   kept(),
               "send_until");
        expect(csp::select(csp::on_send(channel, std::move(value)), csp::otherwise()) == 1 && kept(), "otherwise");
        expect(csp::select(csp::on_send(channel, std::move(value)), csp::on_timeout(1ms)) == 1 && kept(), "on_timeout");
        channel.close();
        expect(throws<closed_channel>([&] { channel.send(std::move(value)); }) && kept(), "send to a closed one");
        expect(channel.try_send(std::move(value)) == op_status::closed && kept(), "try_send to a closed one");
        expect(channel.send_for(std::move(value), 1h) == op_status::closed && kept(), "send_for to a closed one");
        expect(throws<closed_channel>([&] { csp::select(csp::on_send(channel, std::move(value))); }) && kept(),
               "select on a closed one");
      }
    });
    people.join();
  });
}

TEST_CASE("payload: a losing select arm leaves its value with the caller, the winning one takes it") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<box> first;
    const chan<box> second;
    for (const bool first_wins : {false, true}) {
      people.add([&] {
        box a = std::make_unique<int>(1);
        box b = std::make_unique<int>(2);
        const int chosen = csp::select(csp::on_send(first, std::move(a)), csp::on_send(second, std::move(b)));
        expect(chosen == (first_wins ? 0 : 1), "the arm that met a receiver");
        expect((a == nullptr) == first_wins && (b == nullptr) != first_wins, "the loser's value is here");
      });
      await([&] { return waiting_to_send(first) == 1 && waiting_to_send(second) == 1; });
      people.add([&] {
        const auto got = (first_wins ? first : second).recv();
        expect(**got == (first_wins ? 1 : 2), "the winner's value arrived");
      });
      people.join();
    }
  });
}

TEST_CASE("payload: a cancelled send leaves the value with the caller") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    const chan<box> channel;
    for (int form = 0; form < 4; ++form) {
      auto task = csp::spawn([&, form] {
        box value = std::make_unique<int>(form);
        bool told = false;
        switch (form) {
          case 0:
            told = throws<csp::canceled>([&] { channel.send(std::move(value)); });
            break;
          case 1:
            told = channel.send_for(std::move(value), 1h) == op_status::canceled;
            break;
          case 2:
            told = throws<csp::canceled>([&] { csp::select(csp::on_send(channel, std::move(value))); });
            break;
          default:
            told = throws<csp::canceled>([&] { channel << std::move(value); });
        }
        // A second time, when the request is known before the operation starts.
        const bool again = form == 1 ? channel.send_for(std::move(value), 1h) == op_status::canceled
                                     : throws<csp::canceled>([&] { channel.send(std::move(value)); });
        return told && again && value != nullptr && *value == form;
      });
      await([&] { return waiting_to_send(channel) == 1; });
      task.cancel();
      expect(task.join(), "canceled, and the value is here");
      expect(waiting_to_send(channel) == 0, "nobody waits any more");
    }
  });
}

TEST_CASE("payload: a cancelled receive takes nothing") {
  csp_test::on_each_topology([](expectations& expect, unsigned) {
    const chan<int> channel;
    for (int form = 0; form < 4; ++form) {
      auto task = csp::spawn([&, form] {
        int value = 8;
        switch (form) {
          case 0:
            return throws<csp::canceled>([&] { static_cast<void>(channel.recv()); });
          case 1:
            return channel.recv_for(value, 1h) == op_status::canceled && value == 8;
          case 2:
            return throws<csp::canceled>([&] { csp::select(csp::on_recv(channel)); });
          default:
            return throws<csp::canceled>([&] { channel >> value; }) && value == 8;
        }
      });
      await([&] { return waiting_to_receive(channel) == 1; });
      task.cancel();
      expect(task.join(), "canceled");
      expect(waiting_to_receive(channel) == 0 && channel.try_send(1) == op_status::would_block, "nobody waits");
    }
  });
}

TEST_CASE("payload: needs no default constructor and no assignment, and moves few times") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<parcel> direct;
    people.add([&] {
      const auto got = direct.recv();
      expect(got && got->number_ == 4, "arrived");
      expect(got && got->moves_ == 1, "from the sender's hand straight into the receiver's");
      expect(direct.recv_for(1h).value->number_ == 5, "recv_for");
      while (direct.try_recv().status != op_status::ok) {
        csp::yield();
      }
    });
    await([&] { return waiting_to_receive(direct) == 1; });
    people.add([&] {
      direct.send(parcel(4));
      direct.send(parcel(5));
      direct << parcel(6);
    });
    people.join();
  });
}

TEST_CASE("payload: an lvalue is copied, once, and kept") {
  const chan<std::vector<std::string>> channel(2);
  const std::vector<std::string> value{"a", "b"};
  channel.send(value);
  CHECK(csp::select(csp::on_send(channel, value)) == 0);
  CHECK(value.size() == 2);
  CHECK(channel.recv() == value);
  CHECK(channel.recv() == value);
}
