// What a test case leaves behind is found and fails its program.
#include "test/support/topologies.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

struct result {
  bool failed = false;
  std::string text;
  [[nodiscard]] bool says(const std::string& part) const { return text.find(part) != std::string::npos; }
};

result run_leaky(const std::string& test) {
  const char* const emulator = std::getenv("CSP_TEST_EMULATOR");
  // The sanitizer's own look for leaks is left out: what is told here is ours.
  const std::string command = "ASAN_OPTIONS=detect_leaks=0 " + std::string(emulator != nullptr ? emulator : "") + " '" +
                              CSP_TEST_LEAKY "' '" + test + "' 2>&1";
  result all;
  std::FILE* const output = ::popen(command.c_str(), "r");
  REQUIRE(output != nullptr);
  char buffer[4096];
  for (std::size_t count = 0; (count = std::fread(buffer, 1, sizeof buffer, output)) > 0;) {
    all.text.append(buffer, count);
  }
  all.failed = ::pclose(output) != 0;
  return all;
}

}  // namespace

TEST_CASE("leftovers: who leaves nothing behind passes, and who keeps something from the first time on") {
  for (const char* const test : {"nothing", "an allocation the first time only"}) {
    const result all = run_leaky(test);
    CAPTURE(all.text);
    CHECK_FALSE(all.failed);
    CHECK_FALSE(all.says("LEFT BEHIND"));
    CHECK(all.says("All tests passed"));
  }
}

TEST_CASE("leftovers: each kind is reported, with the name of the test case, and fails the program") {
  struct expected {
    const char* test;
    const char* report;
  };
  const expected kinds[] = {
      {"a task, with its stack", "0 -> 1 tasks"},
      {"a task, with its stack", " stacks"},
      {"a timer", "0 -> 1 timers"},
      {"a file descriptor", " file descriptors"},
      {"a file descriptor too few", " file descriptors"},
      {"a thread", " threads"},
      {"an allocation", "2 allocations, each time that it runs"},
  };
  for (const expected& kind : kinds) {
    std::string pattern = kind.test;
    if (const auto comma = pattern.find(','); comma != std::string::npos) {
      pattern.insert(comma, "\\");
    }
    const result all = run_leaky(pattern);
    CAPTURE(kind.test, all.text);
    CHECK(all.failed);
    CHECK(all.says(std::string("LEFT BEHIND by the test case \"") + kind.test + '"'));
    CHECK(all.says(kind.report));
  }
}
