// The judge itself, on histories made by hand: what a Go channel can do is accepted, what it cannot is not.
#include "test/history/linearizer.h"

#include "test/support/topologies.h"

using csp_test::history;
using csp_test::linearize;
using csp_test::operation;
using csp_test::outcome;
using csp_test::patience;
using csp_test::way;

namespace {

struct interval {
  std::uint64_t from;
  std::uint64_t to;
};

operation sent(interval when, std::uint64_t value, unsigned channel = 0) {
  return {0, {{way::send, channel, value}}, patience::endless, false, when.from, when.to, outcome::done, 0, 0};
}
operation received(interval when, std::uint64_t value, unsigned channel = 0) {
  return {0, {{way::receive, channel, 0}}, patience::endless, false, when.from, when.to, outcome::done, 0, value};
}
operation closed(interval when, unsigned channel = 0) {
  return {0, {{way::close, channel, 0}}, patience::endless, false, when.from, when.to, outcome::done, 0, 0};
}
operation closed_again(interval when) {
  return {0, {{way::close, 0, 0}}, patience::endless, false, when.from, when.to, outcome::refused, -1, 0};
}
operation met_end(interval when) {
  return {0, {{way::receive, 0, 0}}, patience::endless, false, when.from, when.to, outcome::closed, 0, 0};
}
operation send_met_closed(interval when) {
  return {0, {{way::send, 0, 99}}, patience::endless, false, when.from, when.to, outcome::closed, -1, 0};
}
operation gave_up(interval when, std::vector<csp_test::arm> arms, patience waits = patience::at_once) {
  return {0, std::move(arms), waits, false, when.from, when.to, outcome::blocked, -1, 0};
}
operation select_received(interval when, std::uint64_t value) {
  return {
      0,    {{way::send, 1, 77}, {way::receive, 0, 0}}, patience::endless, false, when.from, when.to, outcome::done, 1,
      value};
}

bool possible(std::vector<std::size_t> capacities, std::vector<operation> operations) {
  return linearize(history{std::move(capacities), std::move(operations)}).linearizable;
}

const csp_test::arm send_arm{way::send, 0, 98};
const csp_test::arm receive_arm{way::receive, 0, 0};
const csp_test::arm other_receive{way::receive, 1, 0};

}  // namespace

TEST_CASE("linearizer: a buffered channel is a queue of its capacity") {
  CHECK(possible({2}, {sent({1, 2}, 1), sent({3, 4}, 2), received({5, 6}, 1), received({7, 8}, 2)}));
  CHECK(possible({2}, {sent({1, 2}, 1), sent({3, 4}, 2)}));
  // The third fits when a receive overlaps it, and not before one.
  CHECK(possible({2}, {sent({1, 2}, 1), sent({3, 4}, 2), sent({5, 8}, 3), received({6, 7}, 1)}));
  CHECK_FALSE(possible({2}, {sent({1, 2}, 1), sent({3, 4}, 2), sent({5, 6}, 3), received({7, 8}, 1)}));
  // Reordered; in either order when the sends overlap.
  CHECK_FALSE(possible({2}, {sent({1, 2}, 1), sent({3, 4}, 2), received({5, 6}, 2), received({7, 8}, 1)}));
  CHECK(possible({2}, {sent({1, 3}, 1), sent({2, 4}, 2), received({5, 6}, 2), received({7, 8}, 1)}));
  // Reordered by two receivers that do not overlap, and not when they do.
  CHECK_FALSE(possible({2}, {sent({1, 2}, 1), sent({3, 4}, 2), received({5, 6}, 2), received({7, 8}, 1)}));
  CHECK(possible({2}, {sent({1, 2}, 1), sent({3, 4}, 2), received({5, 8}, 2), received({6, 7}, 1)}));
  // Before it was sent, and of nobody.
  CHECK_FALSE(possible({2}, {received({1, 2}, 1), sent({3, 4}, 1)}));
  CHECK_FALSE(possible({2}, {received({1, 2}, 1)}));
}

TEST_CASE("linearizer: an unbuffered channel is a meeting") {
  CHECK(possible({0}, {sent({1, 3}, 1), received({2, 4}, 1)}));
  CHECK(possible({0}, {received({1, 4}, 1), sent({2, 3}, 1)}));
  CHECK_FALSE(possible({0}, {sent({1, 2}, 1), received({3, 4}, 1)}));
  CHECK_FALSE(possible({0}, {sent({1, 2}, 1)}));
  CHECK_FALSE(possible({0}, {sent({1, 4}, 1), received({2, 3}, 2)}));
  // Two meetings that would each have to come before the other.
  CHECK_FALSE(possible({0}, {sent({1, 6}, 1), received({2, 3}, 2), sent({2, 5}, 2), received({7, 8}, 1)}));
}

TEST_CASE("linearizer: every value is received once if it was sent, and then it is not in the buffer") {
  // Lost: the channel was closed and drained, and the value has not come out.
  CHECK_FALSE(possible({2}, {sent({1, 2}, 1), sent({3, 4}, 2), closed({5, 6}), received({7, 8}, 2), met_end({9, 10})}));
  CHECK_FALSE(possible({2}, {sent({1, 2}, 1), closed({5, 6}), met_end({9, 10})}));
  // Duplicated.
  CHECK_FALSE(possible({2}, {sent({1, 2}, 1), received({3, 4}, 1), received({5, 6}, 1)}));
  CHECK_FALSE(possible({0}, {sent({1, 6}, 1), received({2, 5}, 1), received({3, 4}, 1)}));
}

TEST_CASE("linearizer: a close ends sends, and receives when the buffer is empty") {
  CHECK(
      possible({1}, {sent({1, 2}, 1), closed({3, 4}), received({5, 6}, 1), met_end({7, 8}), send_met_closed({9, 10})}));
  CHECK(possible({1}, {closed({1, 4}), sent({2, 3}, 1), received({5, 6}, 1)}));
  CHECK_FALSE(possible({1}, {closed({1, 2}), sent({3, 4}, 1), received({5, 6}, 1)}));
  CHECK_FALSE(possible({0}, {closed({1, 2}), sent({3, 5}, 1), received({4, 6}, 1)}));
  CHECK_FALSE(possible({1}, {met_end({1, 2}), closed({3, 4})}));
  CHECK_FALSE(possible({1}, {send_met_closed({1, 2}), closed({3, 4})}));
  CHECK_FALSE(possible({1}, {met_end({1, 2})}));
  // Of two closes one is the first, even when they overlap.
  CHECK(possible({1}, {closed({1, 4}), closed_again({2, 3})}));
  CHECK_FALSE(possible({1}, {closed({1, 4}), closed({2, 3})}));
  CHECK_FALSE(possible({1}, {closed_again({1, 2}), closed({3, 4})}));
}

TEST_CASE("linearizer: who gave up had no arm that could proceed") {
  for (const patience waits : {patience::at_once, patience::limited}) {
    CHECK(possible({1}, {gave_up({1, 2}, {receive_arm}, waits), sent({3, 4}, 1)}));
    CHECK_FALSE(possible({1}, {sent({1, 2}, 1), gave_up({3, 4}, {receive_arm}, waits)}));
    CHECK(possible({1}, {sent({1, 2}, 1), gave_up({3, 4}, {send_arm}, waits)}));
    CHECK_FALSE(possible({1}, {gave_up({1, 2}, {send_arm}, waits), sent({3, 4}, 1)}));
    CHECK(possible({1}, {sent({1, 4}, 1), gave_up({2, 3}, {receive_arm}, waits)}));
    // After a close both ways can proceed.
    CHECK_FALSE(possible({0}, {closed({1, 2}), gave_up({3, 4}, {receive_arm}, waits)}));
    CHECK_FALSE(possible({0}, {closed({1, 2}), gave_up({3, 4}, {send_arm}, waits)}));
    // Two that only try may miss each other, and a partner may not have begun to wait.
    CHECK(possible({0}, {gave_up({1, 4}, {send_arm}, waits), gave_up({2, 3}, {receive_arm}, waits)}));
    CHECK(possible({0}, {gave_up({2, 3}, {send_arm}, waits), sent({4, 5}, 1), received({1, 6}, 1)}));
  }
  CHECK_FALSE(possible({1}, {gave_up({1, 2}, {receive_arm}, patience::endless)}));
}

TEST_CASE("linearizer: the arms of a select are looked at together") {
  CHECK(possible({1, 1}, {sent({1, 2}, 1), select_received({3, 4}, 1)}));
  CHECK_FALSE(possible({1, 1}, {sent({1, 2}, 1), select_received({3, 4}, 77)}));
  CHECK(possible({1, 1}, {gave_up({1, 2}, {receive_arm, other_receive})}));
  CHECK_FALSE(possible({1, 1}, {sent({1, 2}, 1, 1), gave_up({3, 4}, {receive_arm, other_receive})}));
  // One channel or the other has a value at any time.
  const std::vector<operation> relay{sent({1, 2}, 1, 1), sent({4, 5}, 2, 0), received({6, 7}, 1, 1)};
  std::vector<operation> with_select = relay;
  with_select.push_back(gave_up({3, 8}, {receive_arm, other_receive}));
  CHECK_FALSE(possible({1, 1}, with_select));
  // With a moment between in which none has one.
  const std::vector<operation> gap{sent({1, 2}, 1, 1), sent({6, 7}, 2, 0), received({4, 5}, 1, 1),
                                   gave_up({3, 8}, {receive_arm, other_receive})};
  CHECK(possible({1, 1}, gap));
}

TEST_CASE("linearizer: at a standstill nobody waits who could go on") {
  const auto closed_at_standstill = [](interval when) {
    operation result = closed(when);
    result.at_standstill = true;
    return result;
  };
  const auto waited_in_vain = [](interval when, std::vector<csp_test::arm> arms) {
    const bool sends = arms.front().does == way::send;
    return operation{0,       std::move(arms), patience::endless, false, when.from,
                     when.to, outcome::closed, sends ? -1 : 0,    0};
  };
  for (const std::size_t capacity : {0U, 1U}) {
    // One receives and waits, or one sends and waits when the buffer is full: nothing to be said against it.
    CHECK(possible({capacity}, {waited_in_vain({1, 4}, {receive_arm}), closed_at_standstill({2, 3})}));
    // Both, and they have missed each other.
    const std::vector<operation> missed{waited_in_vain({1, 8}, {receive_arm}), waited_in_vain({2, 7}, {send_arm})};
    std::vector<operation> all = missed;
    all.push_back(closed_at_standstill({3, 4}));
    CHECK_FALSE(possible({capacity}, all));
    all.back() = closed({3, 4});
    CHECK(possible({capacity}, all));
  }
  CHECK(possible({1}, {sent({1, 2}, 1), waited_in_vain({3, 6}, {send_arm}), closed_at_standstill({4, 5})}));
  CHECK_FALSE(possible({1}, {waited_in_vain({3, 6}, {send_arm}), closed_at_standstill({4, 5})}));
  CHECK_FALSE(possible({1}, {sent({1, 2}, 1), waited_in_vain({3, 8}, {receive_arm}), closed_at_standstill({4, 5})}));
  // The arms of one operation do not meet each other.
  CHECK(possible({0}, {waited_in_vain({1, 4}, {send_arm, receive_arm}), closed_at_standstill({2, 3})}));
}

TEST_CASE("linearizer: a record that makes no sense is refused") {
  CHECK_FALSE(possible({1}, {sent({2, 2}, 1)}));
  operation nothing_chosen = sent({1, 2}, 1);
  nothing_chosen.chosen = -1;
  CHECK_FALSE(possible({1}, {nothing_chosen}));
  operation wrong = sent({1, 2}, 1);
  wrong.result = outcome::wrong;
  CHECK_FALSE(possible({1}, {wrong}));
  CHECK_FALSE(possible({1}, std::vector<operation>(65, gave_up({1, 2}, {receive_arm}))));
  CHECK(possible({1}, std::vector<operation>(64, gave_up({1, 2}, {receive_arm}))));
}
