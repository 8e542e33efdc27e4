// Defects of structures without locks.
//
// Planted
// - last_item_taken_twice: the owner of a work-stealing deque takes the last item without a compare-and-swap, which a
//   thief takes at the same time.
// - reused_node: a free list's head is exchanged though it is only the same node again, with another one behind it.
#pragma once

#include "test/sim/corpus/corpus.h"

#include <array>
#include <optional>

namespace csp_test::corpus {

/// After Chase and Lev, "Dynamic circular work-stealing deque", without the growth.
class toy_deque {
 public:
  explicit toy_deque(form shape) : shape_(shape) {}

  void push(int item) {
    const int bottom = bottom_;
    items_[static_cast<std::size_t>(bottom)] = item;
    bottom_ = bottom + 1;
  }

  std::optional<int> take() {
    const int last = bottom_ - 1;
    bottom_ = last;
    point();
    int top = top_;
    if (top > last) {
      bottom_ = last + 1;
      return std::nullopt;
    }
    std::optional<int> item = items_[static_cast<std::size_t>(last)];
    if (top == last) {
      point();
      if (shape_ == form::planted) {
        top_ = top + 1;
      } else if (!top_.compare_exchange_strong(top, top + 1)) {
        item.reset();
      }
      bottom_ = last + 1;
    }
    return item;
  }

  std::optional<int> steal() {
    int top = top_;
    point();
    if (top >= bottom_) {
      return std::nullopt;
    }
    const int item = items_[static_cast<std::size_t>(top)];
    point();
    return top_.compare_exchange_strong(top, top + 1) ? std::optional(item) : std::nullopt;
  }

 private:
  const form shape_;
  std::atomic<int> top_{0};
  std::atomic<int> bottom_{0};
  std::array<std::atomic<int>, 4> items_{};
};

inline void last_item_taken_twice(form shape) {
  toy_deque deque(shape);
  std::array<std::atomic<int>, 2> taken{};
  const auto note = [&](std::optional<int> item) {
    if (item) ++taken[static_cast<std::size_t>(*item)];
  };
  deque.push(0);
  deque.push(1);
  together(
      [&] {
        note(deque.take());
        note(deque.take());
        note(deque.take());
      },
      [&] { note(deque.steal()); });
  // The thief may fail, and then the owner has everything.
  check(taken[0] == 1 && taken[1] == 1, "each item was taken once");
}

/// Nodes 0, 1, ... that are free, linked by their numbers.
class free_list {
 public:
  static constexpr std::uint32_t none = 3;  // the number of nodes

  explicit free_list(form shape) : tag_(shape == form::planted ? 0 : std::uint64_t{1} << 32) {
    for (std::uint32_t i = 0; i < none; ++i) next_[i] = i + 1;
  }

  std::uint32_t pop() {
    std::uint64_t head = head_;
    for (;;) {
      const std::uint32_t node = node_of(head);
      if (node == none) {
        return none;
      }
      const std::uint32_t next = next_[node];
      point();
      if (head_.compare_exchange_strong(head, tag_of(head) + tag_ + next)) {
        return node;
      }
    }
  }

  void push(std::uint32_t node) {
    std::uint64_t head = head_;
    do {
      next_[node] = node_of(head);
    } while (!head_.compare_exchange_strong(head, tag_of(head) + tag_ + node));
  }

 private:
  static std::uint32_t node_of(std::uint64_t head) { return static_cast<std::uint32_t>(head); }
  static std::uint64_t tag_of(std::uint64_t head) { return head >> 32 << 32; }

  const std::uint64_t tag_;             // what is added to the head with each change
  std::atomic<std::uint64_t> head_{0};  // the tag above, the first node below
  std::array<std::atomic<std::uint32_t>, none> next_{};
};

inline void reused_node(form shape) {
  free_list nodes(shape);
  std::array<std::atomic<bool>, free_list::none> used{};
  const auto take = [&] {
    const std::uint32_t node = nodes.pop();
    check(node == free_list::none || !used[node].exchange(true), "nobody else has the node");
    return node;
  };
  const auto give = [&](std::uint32_t node) {
    if (node != free_list::none) {
      used[node] = false;
      nodes.push(node);
    }
  };
  together(
      [&] {
        static_cast<void>(take());
        static_cast<void>(take());
      },
      [&] {
        const std::uint32_t first = take();
        static_cast<void>(take());
        give(first);
      });
}

}  // namespace csp_test::corpus
