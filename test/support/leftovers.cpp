// Catch2 2 has its listeners in the header only if asked for.
#define CATCH_CONFIG_EXTERNAL_INTERFACES
#include "test/support/leftovers.h"

#include "test/support/catch.h"
#include "test/support/footprint.h"
#include "test/support/heap.h"
#include "test/support/scale.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <utility>
#include <vector>

namespace csp_test {
namespace {

// A pool may need more than one run to have what the busiest moment of the test takes.
constexpr int repetitions = 4;

struct account {
  unsigned begun = 0;
  int failures = 0;
  std::vector<std::string> grown;  // test cases after which there was more memory in use

  void report(const std::string& test, const std::string& what) {
    ++failures;
    std::fprintf(stderr, "LEFT BEHIND by the test case \"%s\": %s\n", test.c_str(), what.c_str());
  }
};

account& books() {
  static account instance;
  return instance;
}

#if __has_include(<catch2/catch_all.hpp>)
using listener_base = Catch::EventListenerBase;
#else
using listener_base = Catch::TestEventListenerBase;
#endif

class listener : public listener_base {
 public:
  using listener_base::listener_base;

  void testCaseStarting(const Catch::TestCaseInfo& test) override {
    note_memory();
    ++books().begun;
    name_ = test.name;
    before_ = footprint::now();
    gives_up_tasks_ = test.tagsAsString().find("[gives-up-tasks]") != std::string::npos;
    fresh_ = test.tagsAsString().find("[fresh]") != std::string::npos;
    memory_ = heap::live();
  }
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    if (gives_up_tasks_) {
      before_.stacks = static_cast<std::size_t>(-1);
    }
    const std::string more = footprint::settled(before_).beyond(before_);
    if (!more.empty()) {
      books().report(name_, more);
    }
    if (gives_up_tasks_ || fresh_ || !more.empty() || stats.totals.assertions.failed != 0) {
      name_.clear();  // its memory says nothing new
    }
  }
#if __has_include(<catch2/catch_all.hpp>)
  void testRunEnded(const Catch::TestRunStats&) override { note_memory(); }
#else
  void testGroupEnded(const Catch::TestGroupStats&) override { note_memory(); }
#endif

 private:
  // When the next one begins, and at the end: by then Catch2 has dropped what it made for the one before.
  void note_memory() {
    const std::size_t memory = heap::live();
    if (!name_.empty() && memory > memory_) {
      books().grown.push_back(name_);
    }
    name_.clear();
  }

  std::string name_;
  footprint before_;
  bool gives_up_tasks_ = false;
  bool fresh_ = false;
  std::size_t memory_ = 0;
};

}  // namespace

CATCH_REGISTER_LISTENER(listener)

std::string quoted_test_name(const std::string& name) {
  std::string result;
  for (const char character : name) {
    if (character == ',' || character == '[' || character == ']' || character == '\\') {
      result += '\\';
    }
    result += character;
  }
  return result;
}

unsigned test_cases_begun() noexcept { return books().begun; }

int count_leftovers(const std::function<void(const std::string& test)>& again) {
  const std::vector<std::string> suspects = std::exchange(books().grown, {});
  for (const std::string& test : suspects) {
    std::size_t least = static_cast<std::size_t>(-1);
    std::printf("\nOnce more, since there was more memory in use after it than before:\n");
    for (int i = 0; i < repetitions && least != 0; ++i) {
      const std::size_t before = heap::live();
      be_brief(true);
      again(test);
      be_brief(false);
      books().grown = {};
      const std::size_t after = heap::live();
      least = std::min(least, after > before ? after - before : 0);
    }
    if (least != 0) {
      books().report(test, std::to_string(least) + " allocations, each time that it runs");
    }
  }
  return books().failures;
}

}  // namespace csp_test
