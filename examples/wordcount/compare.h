// The same job on one processor and on all: same counts, less time?

#pragma once

#include "job.h"

namespace wordcount {

struct comparison {
  job_result last;
  bool same = false;  // all runs made the same counts
};

// Runs the job several times, not in a task, and prints a table on stdout.
comparison compare_processors(const job_options& options);

}  // namespace wordcount
