// channel/channel.h: what the facade does not show. Ring indices over many turns, the lifetimes of payloads, moves per
// value, glances, and counted pointers.
#include "channel/channel.h"

#include "test/conformance/crew.h"

#include <array>
#include <cstddef>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

namespace {

using csp::op_status;
using csp::detail::channel;
using csp::detail::channel_pointer;
using csp::detail::never;

// Counts the living and the moves.
struct census {
  explicit census(int number) : number_(number) { ++living; }
  census(census&& other) noexcept : number_(std::exchange(other.number_, -1)), moves_(other.moves_ + 1) { ++living; }
  census(const census&) = delete;
  census& operator=(const census&) = delete;
  census& operator=(census&&) = delete;
  ~census() { --living; }

  int number_;
  int moves_ = 0;
  static inline int living = 0;
};

channel_pointer<channel<census>> make(std::size_t capacity) {
  return channel_pointer<channel<census>>(new channel<census>(capacity));
}

op_status put(const channel_pointer<channel<census>>& target, int number) {
  census value(number);
  const op_status status = target->try_send(value);
  CHECK((value.number_ == -1) == (status == op_status::ok));
  return status;
}

int take(const channel_pointer<channel<census>>& source) {
  std::optional<census> value;
  CHECK(source->try_receive(value) == op_status::ok);
  return value ? value->number_ : -100;
}

}  // namespace

TEST_CASE("ring: keeps its order over many turns at every fill") {
  for (const std::size_t capacity : {1U, 2U, 3U, 7U, 8U}) {
    for (std::size_t fill = 0; fill < capacity; ++fill) {
      CAPTURE(capacity, fill);
      const auto ring = make(capacity);
      int in = 0;
      int out = 0;
      while (static_cast<std::size_t>(in) < fill) {
        REQUIRE(put(ring, in++) == op_status::ok);
      }
      for (std::size_t turn = 0; turn < 4 * capacity; ++turn) {
        REQUIRE(put(ring, in++) == op_status::ok);
        REQUIRE(ring->size() == fill + 1);
        REQUIRE(take(ring) == out++);
      }
      while (ring->size() < capacity) {
        REQUIRE(put(ring, in++) == op_status::ok);
      }
      REQUIRE(put(ring, in) == op_status::would_block);
      while (ring->size() > 0) {
        REQUIRE(take(ring) == out++);
      }
      REQUIRE(out == in);
    }
  }
  CHECK(census::living == 0);
}

TEST_CASE("ring: the last handle destroys what is left, exactly once, wherever it lies") {
  for (std::size_t turned = 0; turned < 4; ++turned) {
    {
      const auto ring = make(3);
      for (std::size_t i = 0; i < turned; ++i) {
        REQUIRE(put(ring, 1) == op_status::ok);
        REQUIRE(take(ring) == 1);
      }
      REQUIRE(put(ring, 1) == op_status::ok);
      REQUIRE(put(ring, 2) == op_status::ok);
      CHECK(census::living == 2);
      ring->close();
      CHECK(census::living == 2);
    }
    CHECK(census::living == 0);
  }
}

TEST_CASE("ring: a capacity that its indices cannot count is refused") {
  constexpr std::size_t most = csp::detail::channel_base::most_values;
  CHECK_THROWS_AS(csp::chan<char>(most + 1), std::length_error);
  CHECK_THROWS_AS(csp::chan<char>(std::size_t{0} - 1), std::length_error);
  try {
    CHECK(csp::chan<char>(most).capacity() == most);  // its pages are not touched
  } catch (const std::bad_alloc&) {
    WARN("no address space for the largest channel");
  }
}

TEST_CASE("moves: one from hand to hand, three through the buffer") {
  csp_test::on_each_topology([](csp_test::expectations& expect, unsigned) {
    const auto direct = make(0);
    std::optional<census> got;
    auto receiver = csp::spawn([&] { static_cast<void>(direct->receive(got, never)); });
    csp_test::await([&] { return csp_test::length_of(direct->receivers, direct->lock) == 1; });
    {
      census value(1);
      expect(direct->try_send(value) == op_status::ok, "sent");
    }
    receiver.join();
    expect(got && got->moves_ == 1, "into the waiting receiver's place");
    got.reset();

    auto sender = csp::spawn([&] {
      census value(2);
      static_cast<void>(direct->send(value, never));
    });
    csp_test::await([&] { return csp_test::length_of(direct->senders, direct->lock) == 1; });
    expect(direct->try_receive(got) == op_status::ok, "received");
    sender.join();
    expect(got && got->moves_ == 1, "out of the waiting sender's hand");
    got.reset();

    const auto ring = make(1);
    census value(3);
    expect(ring->try_send(value) == op_status::ok && ring->try_receive(got) == op_status::ok, "through the buffer");
    expect(got && got->moves_ <= 3, "in, out and into place");
  });
  CHECK(census::living == 0);
}

TEST_CASE("glances: tell whether an attempt would get anywhere") {
  const auto unbuffered = make(0);
  CHECK_FALSE(unbuffered->may_send());
  CHECK_FALSE(unbuffered->may_receive());
  const auto ring = make(1);
  CHECK(ring->may_send());
  CHECK_FALSE(ring->may_receive());
  REQUIRE(put(ring, 1) == op_status::ok);
  CHECK_FALSE(ring->may_send());
  CHECK(ring->may_receive());
  CHECK(ring->close());
  CHECK(ring->may_send());  // it gets as far as an answer
  CHECK(take(ring) == 1);
  CHECK(ring->may_receive());
}

TEST_CASE("pointer: copies count, moves do not, the last one frees") {
  auto first = make(1);
  REQUIRE(put(first, 1) == op_status::ok);
  auto second = first;
  CHECK(second == first);
  auto third = std::move(second);
  CHECK(third == first);
  CHECK_FALSE(second);  // NOLINT(bugprone-use-after-move): it is null
  first = make(0);
  CHECK(first != third);
  CHECK(census::living == 1);
  third = channel_pointer<channel<census>>();
  CHECK(census::living == 0);
}
