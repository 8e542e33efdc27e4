// How the C library's names are defined. A hook is an ordinary function of that name in the program, or in a shared
// library that comes before the C library; hence it must have the C library's own declaration, and be exported.
#pragma once

/// Another name that the C library exports for the same function. In the file that defines `target`.
#define CSP_HOOK_ALIAS(name, target) \
  extern "C" __attribute__((visibility("default"), alias(#target))) decltype(target) name
