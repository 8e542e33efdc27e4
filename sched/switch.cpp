#include "sched/switch.h"

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
#if defined(__x86_64__)
    "jmp jump_fcontext@PLT\n"
#elif defined(__aarch64__)
    "b jump_fcontext\n"
#else
#error "libcsp knows x86-64 and aarch64"
#endif
    ".size csp_switch_stack, . - csp_switch_stack\n");
