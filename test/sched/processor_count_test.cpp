// How many processors there are when nobody says, and what CSP_PROCESSORS may hold.
#include "sched/processor_count.h"

#include "test/sched/child.h"

#include <sched.h>

#include <cstddef>
#include <cstdlib>
#include <stdexcept>
#include <string>

using csp::detail::default_processor_count;
using csp::detail::parse_processor_count;
using csp_test::check_in_child;
using csp_test::in_child;

namespace {

// The message with which a text is refused; empty when it is not.
std::string refusal(const char* text) {
  try {
    static_cast<void>(parse_processor_count(text, "CSP_PROCESSORS"));
    return {};
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("processor_count: numbers from 1 to 256 are read") {
  CHECK(parse_processor_count("1", "x") == 1);
  CHECK(parse_processor_count("17", "x") == 17);
  CHECK(parse_processor_count("256", "x") == 256);
  CHECK(parse_processor_count("007", "x") == 7);
}

TEST_CASE("processor_count: everything else is refused, with the name and the value") {
  for (const char* const text :
       {"0", "257", "-1", "+2", "", " 2", "2 ", "2.0", "0x2", "two", "4294967297", "99999999999999999999", "1e1"}) {
    CAPTURE(text);
    const std::string message = refusal(text);
    REQUIRE_FALSE(message.empty());
    CHECK(message.find("CSP_PROCESSORS=\"" + std::string(text) + "\"") != std::string::npos);
    CHECK(message.find("1 to 256") != std::string::npos);
  }
}

TEST_CASE("processor_count: the environment overrides, and an empty value is none") {
  const auto result = in_child([] {
    ::unsetenv("CSP_PROCESSORS");
    const unsigned automatic = default_processor_count();
    check_in_child(automatic >= 1, "at least one processor");
    ::setenv("CSP_PROCESSORS", "37", 1);
    check_in_child(default_processor_count() == 37, "37 from the environment");
    ::setenv("CSP_PROCESSORS", "", 1);
    check_in_child(default_processor_count() == automatic, "an empty value is none");
    ::setenv("CSP_PROCESSORS", "many", 1);
    try {
      static_cast<void>(default_processor_count());
    } catch (const std::invalid_argument&) {
      ::_exit(7);
    }
  });
  INFO(result.text);
  CHECK(result.exited_with(7));
}

TEST_CASE("processor_count: follows the affinity mask") {
  const auto result = in_child([] {
    ::unsetenv("CSP_PROCESSORS");
    cpu_set_t all;
    check_in_child(::sched_getaffinity(0, sizeof all, &all) == 0, "sched_getaffinity");
    check_in_child(default_processor_count() <= static_cast<unsigned>(CPU_COUNT(&all)), "more than the mask has");
    std::size_t first = 0;
    while (!CPU_ISSET(first, &all)) {
      ++first;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    check_in_child(::sched_setaffinity(0, sizeof one, &one) == 0, "sched_setaffinity");
    check_in_child(default_processor_count() == 1, "one CPU, one processor");
  });
  INFO(result.text);
  CHECK(result.exited_with(0));
}
