// Exact accounting: values that know when they were moved away, and a ledger that follows each of them from its
// sender to its receiver.
//
// The rule that the ledger checks: a value is received exactly once if its sender was told that it was sent, and never
// otherwise; then the sender still has it.
#pragma once

#include "test/support/expectations.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace csp_test {

/// A move-only value; id 0 means that it was moved away.
struct token {
  std::uint64_t id = 0;

  token() = default;
  explicit token(std::uint64_t number) : id(number) {}
  token(token&& other) noexcept : id(std::exchange(other.id, 0)) {}
  token& operator=(token&& other) noexcept {
    id = std::exchange(other.id, 0);
    return *this;
  }
};

/// Follows the values 1 to `count`. Any task or thread.
class ledger {
 public:
  ledger(std::size_t count, expectations& expect) : entries_(count + 1), expect_(expect) {}

  /// The sender of `id` was told that it was sent; `rest` is what the sender holds now.
  void sent(std::uint64_t id, const token& rest) {
    expect_(rest.id == 0, "a value that was sent is still with its sender");
    note(id, sent_bit, "a value was sent twice");
  }
  /// The operation did not send `id`; `rest` is what the sender holds now.
  void kept(std::uint64_t id, const token& rest) { expect_(rest.id == id, "an unsent value has left its sender"); }
  /// A receiver got `value`.
  void received(const token& value) {
    expect_(value.id != 0 && value.id < entries_.size(), "a value was received that nobody made");
    if (value.id != 0 && value.id < entries_.size()) {
      note(value.id, received_bit, "a value was received twice");
    }
  }

  void received(const std::optional<token>& got) {
    expect_(got.has_value(), "there is a value");
    if (got) {
      received(*got);
    }
  }

  /// When all is over and every channel drained; the number of values that went across.
  std::size_t settle() {
    std::size_t across = 0;
    for (auto& entry : entries_) {
      const unsigned bits = entry.load();
      expect_(bits == 0 || bits == (sent_bit | received_bit),
              bits == sent_bit ? "a value was sent and not received" : "a value was received and not sent");
      across += bits != 0 ? 1U : 0U;
    }
    return across;
  }

 private:
  static constexpr unsigned sent_bit = 1;
  static constexpr unsigned received_bit = 2;

  void note(std::uint64_t id, unsigned bit, const char* text) {
    const unsigned before = entries_[id].fetch_or(static_cast<std::uint8_t>(bit), std::memory_order_relaxed);
    expect_((before & bit) == 0, text);
  }

  std::vector<std::atomic<std::uint8_t>> entries_;
  expectations& expect_;
};

}  // namespace csp_test
