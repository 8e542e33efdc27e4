// What the echo rows send: 64 bytes that no other message of the run has.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace bench::net {

inline constexpr std::size_t message_size = 64;

using message = std::array<std::uint64_t, message_size / sizeof(std::uint64_t)>;

// The message with this number, from 0, on this connection, from 0. Every word depends on both, so that one that is
// lost, doubled, torn or sent to another connection differs from what is expected there.
inline message make_message(std::size_t connection, std::int64_t number) {
  constexpr std::uint64_t spread = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio: odd, so that no two bases collide
  const std::uint64_t base = (static_cast<std::uint64_t>(connection) << 44) + (static_cast<std::uint64_t>(number) << 3);
  message words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = (base + i) * spread;
  return words;
}

}  // namespace bench::net
