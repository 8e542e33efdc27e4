// The guard of a stack: its lowest page, made so that an overflow is noticed.
//
// Three kinds, the best that the kernel grants. Which one is decided by the call's result, at each stack anew, never
// by a kernel version; the first marker is tried out, since emulators grant it and do nothing:
//   marker      MADV_GUARD_INSTALL: a mark in the page table, no mapping of its own; the fault is SEGV_MAPERR
//   protection  mprotect(PROT_NONE): splits the mapping, so only within a budget; the fault is SEGV_ACCERR
//   canary      nothing faults: the page has to be still all zero when the stack is given back
// The canary is "still zero", not a pattern, because then it costs no memory (reading it maps the kernel's shared zero
// page), outlives MADV_DONTNEED like the two others, and covers the whole page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace csp::inline v0::detail {

enum class stack_guard_kind : std::uint8_t { marker, protection, canary };
inline constexpr std::size_t stack_guard_kinds = 3;

// Makes the page at `page` a guard: page aligned, in a private anonymous mapping that can be written, never touched
// before. Any thread.
[[nodiscard]] stack_guard_kind install_stack_guard(std::byte* page) noexcept;

// False if something wrote into the page of a `canary` guard. Only while nobody runs on that stack.
[[nodiscard]] bool stack_canary_intact(const std::byte* page) noexcept;

// The memory of a `protection` guard has been mapped anew or unmapped: the budget has room for one more.
void return_stack_protection() noexcept;

// For tests: guards installed from now on are of this kind. Nothing: the usual choice. A protection beyond the budget
// becomes a canary even so.
void force_stack_guard_kind(std::optional<stack_guard_kind> kind) noexcept;

// For tests: how many more guards may be made with mprotect, in the whole process.
void set_stack_protection_budget(long guards) noexcept;

}  // namespace csp::inline v0::detail
