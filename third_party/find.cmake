# How the dependencies are found (README.md says why each is there). All of them are looked for on the machine, none is
# downloaded; one that is missing stops the configuration with the name of its Debian package.

function(csp_missing what package)
  message(FATAL_ERROR
      "libcsp needs ${what}, which was not found.\n"
      "On Debian and its kin it is in the package ${package}:\n"
      "    apt-get install ${package}\n"
      "`./dev setup` installs everything that is missing.")
endfunction()

# What the library itself needs.
macro(csp_find_library_dependencies)
  set(THREADS_PREFER_PTHREAD_FLAG ON)
  find_package(Threads REQUIRED)

  # Static where there is a choice: a switch is a few nanoseconds, and a call through a shared library adds to it.
  if(NOT DEFINED Boost_USE_STATIC_LIBS)
    set(Boost_USE_STATIC_LIBS ON)
  endif()
  find_package(Boost 1.74 CONFIG QUIET COMPONENTS context)
  if(NOT TARGET Boost::context)
    set(Boost_USE_STATIC_LIBS OFF)
    find_package(Boost 1.74 CONFIG QUIET COMPONENTS context)
  endif()
  if(NOT TARGET Boost::context)
    csp_missing("Boost.Context 1.74 or later" libboost-context-dev)
  endif()

  # Header only, and its CMake package is missing from Debian.
  find_path(CSP_CONCURRENTQUEUE_INCLUDE_DIR concurrentqueue/concurrentqueue.h)
  mark_as_advanced(CSP_CONCURRENTQUEUE_INCLUDE_DIR)
  if(NOT CSP_CONCURRENTQUEUE_INCLUDE_DIR)
    csp_missing("moodycamel ConcurrentQueue (concurrentqueue/concurrentqueue.h)" libconcurrentqueue-dev)
  endif()
  if(NOT TARGET csp_third_party_concurrentqueue)
    add_library(csp_third_party_concurrentqueue INTERFACE IMPORTED)
    target_include_directories(csp_third_party_concurrentqueue SYSTEM INTERFACE ${CSP_CONCURRENTQUEUE_INCLUDE_DIR})
  endif()
endmacro()

# What the tests, the examples and the benches need.
macro(csp_find_program_dependencies)
  find_package(fmt 9 CONFIG QUIET)
  if(NOT TARGET fmt::fmt)
    csp_missing("fmt 9 or later" libfmt-dev)
  endif()
endmacro()

# What the tests need besides: Catch2 3 (a library) or 2.13 (one header).
macro(csp_find_test_dependencies)
  find_package(Catch2 3 CONFIG QUIET)
  if(NOT Catch2_FOUND)
    find_package(Catch2 2.13 CONFIG QUIET)
  endif()
  if(NOT TARGET Catch2::Catch2)
    csp_missing("Catch2 2.13 or 3" catch2)
  endif()
endmacro()
