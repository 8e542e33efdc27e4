#include "sched/jump.h"

#include <new>

#if defined(CSP_OWN_JUMP)

// csp_adopt_control_word: MXCSR gets the rounding mode (bits 10 and 11 of the word, 13 and 14 there) and the exception
// masks (bits 0 to 5, 7 to 12 there); its other bits stay (AMD64 Architecture Programmer's Manual, volume 1, 4.2.2 and
// 6.2.3). The 8 bytes below the stack pointer are room: the word at rax is not there.
//
// csp_enter_stack: where a new stack begins. A jump brings the message in four registers; it goes on in memory, as the
// ABI wants an argument of that size. For unwinders the frame is the outermost one.
asm(R"(
.text
.globl csp_adopt_control_word
.type csp_adopt_control_word, @function
csp_adopt_control_word:
  .cfi_startproc
  fldcw (%rax)
  stmxcsr -8(%rsp)
  movl -8(%rsp), %r8d
  andl $0xffff807f, %r8d
  movzwl (%rax), %r9d
  movl %r9d, %r10d
  andl $0x0c00, %r10d
  shll $3, %r10d
  orl %r10d, %r8d
  andl $0x3f, %r9d
  shll $7, %r9d
  orl %r9d, %r8d
  movl %r8d, -8(%rsp)
  ldmxcsr -8(%rsp)
  ret
  .cfi_endproc
.size csp_adopt_control_word, . - csp_adopt_control_word

.globl csp_enter_stack
.hidden csp_enter_stack
.type csp_enter_stack, @function
csp_enter_stack:
  .cfi_startproc
  .cfi_undefined rip
)"
#if defined(__CET__)
    "endbr64\n"
#endif
    R"(
  pushq %rcx
  pushq %rdx
  pushq %rsi
  pushq %rdi
  call *32(%rsp)
  ud2
  .cfi_endproc
.size csp_enter_stack, . - csp_enter_stack
)");

extern "C" void csp_enter_stack();

namespace csp::inline v0::detail {

void* make_first_frame(void* top, std::size_t, stack_entry entry, std::uint16_t control) noexcept {
  constexpr std::uintptr_t alignment = 16;  // of the stack pointer at a call (System V ABI, 3.2.2)
  // As a left stack looks (jump.h); above it, where the stack pointer will be, what csp_enter_stack calls.
  struct first_frame {
    std::uint64_t control;
    std::uint64_t frame_pointer;
    void (*go_on)();
    stack_entry entry;
    std::uint64_t unused;
  };
  static_assert((sizeof(first_frame) - offsetof(first_frame, entry)) % alignment == 0);
  auto* const end = reinterpret_cast<std::byte*>(reinterpret_cast<std::uintptr_t>(top) / alignment * alignment);
  return ::new (end - sizeof(first_frame)) first_frame{control, 0, &csp_enter_stack, entry, 0};
}

}  // namespace csp::inline v0::detail

#else

#include <boost/context/detail/fcontext.hpp>

static_assert(sizeof(csp_transfer) == sizeof(boost::context::detail::transfer_t));

// One jump to the other name. Not a C++ wrapper: its own call and return would stand between the user's frame and the
// switch (see switch_task.h).
asm(R"(
.text
.globl csp_switch_stack
.type csp_switch_stack, @function
csp_switch_stack:
)"
#if defined(__aarch64__)
    "b jump_fcontext\n"
#else
#error "libcsp knows x86-64 and aarch64"
#endif
    ".size csp_switch_stack, . - csp_switch_stack\n");

namespace csp::inline v0::detail {

void* make_first_frame(void* top, std::size_t size, stack_entry entry, std::uint16_t) noexcept {
  // Both take the same two words. By way of the type that stands for any function, or gcc warns.
  using any_function = void (*)();
  using boost_entry = void (*)(boost::context::detail::transfer_t);
  return boost::context::detail::make_fcontext(top, size,
                                               reinterpret_cast<boost_entry>(reinterpret_cast<any_function>(entry)));
}

}  // namespace csp::inline v0::detail

#endif
