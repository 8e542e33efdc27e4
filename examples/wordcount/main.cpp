// wordcount: counts the words in directory trees, with tasks and channels.
//
// Begin with the picture in job.h and the few lines of each stage in job.cpp: everything that is
// concurrent is there. walk, read and count are ordinary sequential code.

#include "compare.h"
#include "job.h"
#include "options.h"
#include "report.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <span>
#include <stdexcept>
#include <utility>

namespace {

using namespace wordcount;

int run(const options& wanted) {
  const job_options job{
      .roots = wanted.roots,
      .readers = wanted.readers,
      .progress = wanted.progress || (!wanted.quiet && ::isatty(STDERR_FILENO) != 0),
  };
  job_result result;
  if (wanted.compare) {
    comparison compared = compare_processors(job);
    if (!compared.same) {
      fmt::print(stderr, "wordcount: the runs made different counts\n");
      return 1;
    }
    result = std::move(compared.last);
  } else {
    result = run_job(job);
  }

  if (wanted.all) {
    print_all(result.shards);
  } else if (!wanted.compare) {
    print_top(result.shards, wanted.top);
  }
  if (std::fflush(stdout) != 0) {
    std::perror("wordcount: stdout");
    return 1;
  }
  if (!wanted.quiet) {
    print_summary(result.read, result.shards, result.time);
  }
  return result.read.errors == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const options wanted = parse_options(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
    if (wanted.help) {
      fmt::print("{}", usage);
      return 0;
    }
    return run(wanted);
  } catch (const usage_error& error) {
    fmt::print(stderr, "wordcount: {}\n{}", error.what(), usage);
    return 2;
  } catch (const std::invalid_argument& error) {  // csp::run refuses a bad CSP_PROCESSORS
    fmt::print(stderr, "wordcount: {}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "wordcount: {}\n", error.what());
    return 1;
  }
}
