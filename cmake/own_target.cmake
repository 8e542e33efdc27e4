# csp_own_target(target): the compile settings of every target of this project, and of no user's target.
#
# All settings are PRIVATE: nothing here reaches a program that links csp.
set(csp_warnings
    -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
    -Wold-style-cast -Wcast-qual -Wformat=2 -Wundef -Wvla -Wextra-semi)

set(csp_sanitizer_flags_asan -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
set(csp_sanitizer_flags_tsan -fsanitize=thread -fno-omit-frame-pointer)

if(NOT CSP_SANITIZE STREQUAL "" AND NOT DEFINED csp_sanitizer_flags_${CSP_SANITIZE})
  message(FATAL_ERROR "CSP_SANITIZE is '${CSP_SANITIZE}'; it must be empty, asan or tsan.")
endif()

function(csp_own_target target)
  set_target_properties(${target} PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE ${csp_warnings} $<$<BOOL:${CSP_WERROR}>:-Werror>)
  if(CSP_SANITIZE)
    target_compile_options(${target} PRIVATE ${csp_sanitizer_flags_${CSP_SANITIZE}})
    target_link_options(${target} PRIVATE ${csp_sanitizer_flags_${CSP_SANITIZE}})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # gcc sees uninitialised reads in instrumented standard headers that are not there; the other builds keep the warning.
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
  endif()
endfunction()
