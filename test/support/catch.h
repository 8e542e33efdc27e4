// Catch2, version 2.13 (one header) or 3 (many), under one name: tests include this file and nothing of Catch2.
//
// Catch2's assertions are not thread safe: use them on one thread or task at a time, as a rule on the test's own after
// the tasks have ended, and count or collect in the tasks.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
// libcsp has fault handlers of its own, and tests look at them; Catch2 3 is configured where it is built.
#define CATCH_CONFIG_NO_POSIX_SIGNALS
#include <catch2/catch.hpp>
#endif
