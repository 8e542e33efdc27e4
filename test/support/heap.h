// What the test program has on its heap by operator new, which heap.cpp replaces with one that counts, for all threads
// together.
#pragma once

#include <cstddef>

namespace csp_test::heap {

/// Allocations made so far.
std::size_t made() noexcept;

/// Allocations that have not been freed.
std::size_t live() noexcept;

}  // namespace csp_test::heap
