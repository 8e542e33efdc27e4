// The jump from one stack to another, and the frame that a new stack begins with.
//
// On x86-64 both are ours: the jump is a dozen instructions in the middle of the function that leaves, which names all
// registers as lost, so that the compiler saves those alone that it needs there, and no call and no return stand
// between two users' frames (docs/decisions/switching.md). Elsewhere they are Boost.Context's.
//
// A stack that was left looks so, from its resume point upwards:
//
//    0  the x87 control word
//    8  rbp
//   16  where to go on
//
// The control word stands for the floating-point environment: rounding mode and exception masks, which <cfenv> sets in
// the x87 unit and in MXCSR alike. When it differs from that of the stack that was left, both are set. To read MXCSR at
// every switch would take longer than all the rest of the jump; so what is in MXCSR alone (sticky flags, "flush to
// zero") belongs to the thread.
//
// The function must not keep anything below its stack pointer (the ABI's red zone). It does not: who leaves a stack
// calls a commit afterwards, and only functions that call nothing have a red zone.
#pragma once

#include "sched/base/atomic.h"
#include "sched/base/config.h"
#include "sched/base/relaxed.h"
#include "sched/base/sanitizer.h"

#include <cstddef>
#include <cstdint>

#if defined(__x86_64__) && !defined(CSP_ATOMICS_HEADER)
#define CSP_OWN_JUMP 1
#endif

extern "C" {
/// What the side that leaves tells the one that arrives; jump() knows no more of it than that it is four words.
struct csp_message {
  void* here;
  void* left;
  void* argument;
  void* commit;
};
#if defined(CSP_OWN_JUMP)
/// Part of the jump, not a C++ function: makes the floating-point environment what the word at rax says. Changes r8, r9
/// and r10 alone.
CSP_API void csp_adopt_control_word();
#else
/// As Boost's transfer_t: where the left stack can be resumed, and the argument.
struct csp_transfer {
  void* left;
  void* argument;
};
/// Boost's jump_fcontext under a name that a shared libcsp exports, so that user code can inline a park.
CSP_API csp_transfer csp_switch_stack(void* to, void* argument);
#endif
}

namespace csp::inline v0::detail {

#if !defined(CSP_OWN_JUMP)
/// What Boost's jump takes along; in the frame that is left, so it is copied before a commit runs.
struct departure {
  csp_message message;
  relaxed<void*>& resume_point;
};
[[nodiscard]] CSP_ALWAYS_INLINE csp_message arrive(csp_transfer transfer) noexcept {
  const departure& from = *static_cast<const departure*>(transfer.argument);
  from.resume_point.set(transfer.left);
  return from.message;
}
#endif

/// Leaves the running stack for the one that was left at `to`, or begins there. Where this one can be resumed is stored
/// at `resume_point`. Returns when somebody jumps there, with their message.
CSP_ALWAYS_INLINE csp_message jump(void* to, relaxed<void*>& resume_point, csp_message message) noexcept {
#if defined(CSP_OWN_JUMP)
  static_assert(sizeof resume_point == sizeof(void*));
  // In r8, which no compiler keeps for itself, as clang may keep rbx.
  register relaxed<void*>* saved asm("r8") = &resume_point;
  asm volatile(
      "leaq -24(%%rsp), %%rsp\n\t"
      "leaq 1f(%%rip), %%r9\n\t"
      "fnstcw (%%rsp)\n\t"
      "movq %%rbp, 8(%%rsp)\n\t"
      "movq %%r9, 16(%%rsp)\n\t"
      "movq %%rsp, (%[saved])\n\t"
      "movzwl (%%rsp), %%r9d\n\t"
      "cmpw %%r9w, (%%rax)\n\t"
      "je 0f\n\t"
      "call csp_adopt_control_word@PLT\n"
      "0:\n\t"
      "leaq 24(%%rax), %%rsp\n\t"
      "movq 8(%%rax), %%rbp\n\t"
      "jmp *16(%%rax)\n"
      "1:\n\t"
#if defined(__CET__)
      "endbr64\n\t"
#endif
      : "+a"(to), [saved] "+r"(saved), "+D"(message.here), "+S"(message.left), "+d"(message.argument),
        "+c"(message.commit)
      :
      : "rbx", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
        "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)", "st(3)",
        "st(4)", "st(5)", "st(6)", "st(7)",
#if defined(__AVX512F__)
        "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",
        "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#endif
        "cc", "memory");
  return message;
#else
  departure from{message, resume_point};
  return arrive(csp_switch_stack(to, &from));
#endif
}

/// The running thread's floating-point environment as make_stack_entry() takes it.
[[nodiscard]] CSP_ALWAYS_INLINE std::uint16_t control_word() noexcept {
  std::uint16_t word = 0;
#if defined(CSP_OWN_JUMP)
  asm volatile("fnstcw %0" : "=m"(word));
#endif
  return word;
}

/// Sets it, where it is another one. The calling function has no red zone: see above.
CSP_ALWAYS_INLINE void set_control_word([[maybe_unused]] std::uint16_t word) noexcept {
#if defined(CSP_OWN_JUMP)
  if (control_word() != word) [[unlikely]] {
    asm volatile("call csp_adopt_control_word@PLT" : : "a"(&word) : "r8", "r9", "r10", "r11", "cc", "memory");
  }
#endif
}

#if defined(CSP_OWN_JUMP)
using stack_entry = void (*)(csp_message);
#else
using stack_entry = void (*)(csp_transfer);
#endif

/// Writes the first frame of a stack of `size` bytes below `top`; where to jump. It begins with `entry`, see
/// make_stack_entry().
[[nodiscard]] void* make_first_frame(void* top, std::size_t size, stack_entry entry, std::uint16_t control) noexcept;

#if !defined(CSP_OWN_JUMP)
/// Where Boost's frame begins.
template <void (*Entry)(csp_message)>
CSP_FIRST_FRAME void enter_by_transfer(csp_transfer transfer) {
  Entry(arrive(transfer));
}
#endif

/// Makes a stack of `size` bytes below `top` begin with Entry(message), which must not return; where to jump. It starts
/// with the floating-point environment `control` on x86-64, elsewhere with the jumper's.
template <void (*Entry)(csp_message)>
[[nodiscard]] void* make_stack_entry(void* top, std::size_t size, std::uint16_t control) noexcept {
#if defined(CSP_OWN_JUMP)
  return make_first_frame(top, size, Entry, control);
#else
  return make_first_frame(top, size, &enter_by_transfer<Entry>, control);
#endif
}

}  // namespace csp::inline v0::detail
