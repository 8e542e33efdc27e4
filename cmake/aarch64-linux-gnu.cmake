# Cross builds for aarch64 with Debian's cross compiler; the programs run under qemu-user.
#
# The third-party packages come from CSP_AARCH64_SYSROOT, a folder that `./dev sysroot` fills. It holds nothing of the C
# library, which the cross compiler brings along, so it is a search path and no --sysroot.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)

set(CSP_AARCH64_SYSROOT "${CMAKE_CURRENT_LIST_DIR}/../build/aarch64-sysroot" CACHE PATH "Unpacked packages for aarch64")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES CSP_AARCH64_SYSROOT)
get_filename_component(csp_sysroot "${CSP_AARCH64_SYSROOT}" ABSOLUTE)
if(NOT EXISTS "${csp_sysroot}/usr/include")
  message(FATAL_ERROR "${csp_sysroot} holds no packages: run `./dev sysroot` first.")
endif()

set(CMAKE_FIND_ROOT_PATH "${csp_sysroot}" /usr/aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

# -L: where the emulated program finds the cross compiler's own libraries.
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64 -L /usr/aarch64-linux-gnu)
