// Whether a test case leaves something behind: tasks, timers, stacks, threads, file descriptors, memory.
//
// A listener of Catch2 compares what there is before and after each test case. Of memory the library's pools keep some
// for good, and so does Catch2 at first; but a pool grows once and a leak grows each time. So a test case that has left
// memory behind is run again, and fails when it does so each time.
//
// A test case with the tag [fresh] measures what a fresh process costs: it is not run again, and its memory not
// compared. A test case with the tag [gives-up-tasks] may leave stacks and memory behind: of tasks that nothing can
// end.
#pragma once

#include <functional>
#include <string>

namespace csp_test {

/// After the tests have run: runs those again that have left memory behind, by `again(name)`, and tells how many test
/// cases have left something behind, each of which was reported on stderr. What `again` allocates it must free.
int count_leftovers(const std::function<void(const std::string& test)>& again);

/// A test's name as Catch2's command line takes it.
std::string quoted_test_name(const std::string& name);

/// How many test cases have begun in this process, repetitions included.
unsigned test_cases_begun() noexcept;

}  // namespace csp_test
