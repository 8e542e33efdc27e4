// What a peer has, asked of its type (rows.h tells what each means).
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bench {

template <class P>
concept yields = requires {
  P::yield();
};

template <class P>
concept sleeps = requires {
  P::sleep_for(std::chrono::nanoseconds(1));
};

template <class P>
concept has_mutex = requires {
  typename P::mutex;
};

template <class P>
concept has_unbuffered = requires {
  typename P::template unbuffered<std::int64_t>;
};

template <class P>
concept has_buffered = requires {
  typename P::template buffered<std::int64_t>;
};

template <class P>
concept receives_within = requires(const typename P::template unbuffered<std::int64_t>& ch) {
  P::recv_within(ch, std::chrono::nanoseconds(1));
};

template <class P>
concept selects = requires(const std::array<typename P::template unbuffered<std::int64_t>, 2>& channels) {
  P::drain(channels, std::int64_t{});
};

template <class P>
concept takes_from_threads = requires {
  typename P::inbox;
};

}  // namespace bench
