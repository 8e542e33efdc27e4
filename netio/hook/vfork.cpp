// vfork: its child runs in its parent's memory, on its parent's stack, and must not touch the hooks' tables. From the
// first vfork on the hooks ask which process they are in; a program that never calls it never pays for that.
#include "netio/hook/managed.h"
#include "netio/real.h"

#include <unistd.h>

extern "C" {

/// Notes the call and returns the C library's vfork.
__attribute__((used, visibility("hidden"))) void* csp_hook_begin_vfork() noexcept {
  csp::detail::hook::vforked.store(true, std::memory_order_seq_cst);
  return csp::detail::real::look_up("vfork");
}

/// The C library's vfork returns twice to whoever called it, and its child overwrites the frames below: so it is jumped
/// to, with the caller's return address in its place, and no frame of ours is left.
CSP_API pid_t vfork() noexcept;
}

#if defined(__x86_64__)
asm(R"(
  .pushsection .text
  .globl vfork
  .type vfork, @function
vfork:
  .cfi_startproc
  endbr64
  subq $8, %rsp
  .cfi_adjust_cfa_offset 8
  call csp_hook_begin_vfork
  addq $8, %rsp
  .cfi_adjust_cfa_offset -8
  jmp *%rax
  .cfi_endproc
  .size vfork, .-vfork
  .popsection
)");
#elif defined(__aarch64__)
asm(R"(
  .pushsection .text
  .globl vfork
  .type vfork, %function
vfork:
  .cfi_startproc
  stp x29, x30, [sp, #-16]!
  .cfi_adjust_cfa_offset 16
  bl csp_hook_begin_vfork
  mov x16, x0
  ldp x29, x30, [sp], #16
  .cfi_adjust_cfa_offset -16
  br x16
  .cfi_endproc
  .size vfork, .-vfork
  .popsection
)");
#endif
