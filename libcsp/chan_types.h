// The small types around channels: answers, errors, nil; include <libcsp/chan.h>.
#pragma once

#include "channel/channel.h"

#include <optional>
#include <stdexcept>

namespace csp::inline v0 {

/// A send met a closed channel, or `>>` a closed and drained one.
class CSP_API closed_channel : public std::logic_error {
 public:
  closed_channel();
};

/// Names a channel that does not exist: operations on it block for ever, as on Go's nil channel.
struct nil_t {
  explicit constexpr nil_t() = default;
};
inline constexpr nil_t nil{};

/// What a receive with a limit came to: `value` is there exactly when `status` is ok.
template <class T>
struct [[nodiscard]] recv_result {
  op_status status;
  std::optional<T> value;
};

template <class T>
class chan;
template <class T>
class sender;
template <class T>
class receiver;

}  // namespace csp::inline v0
