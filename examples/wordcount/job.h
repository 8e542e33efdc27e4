// The main job: a network of tasks that counts the words of all files in some directory trees.
//
//             batches         full blocks            tables
//   walk  ------------>  read ----------->  count  ------------> merge  --> result
//   (1)                  (N)  <-----------  (N)      (a channel  (one per
//     \                  /    empty blocks            per shard)  shard)
//      \      news      /
//       `------------->'------> the caller's task: progress, errors
//
// Every arrow is a channel with bounded room, so a stage that is ahead waits for the one behind it,
// and memory use is bounded by the different words, not by the files. A stage that has ended closes
// what it sends to; thus the end travels from the left to the right.

#pragma once

#include "count.h"
#include "report.h"

#include <libcsp/csp.h>

#include <string>
#include <vector>

namespace wordcount {

struct job_options {
  std::vector<std::string> roots;
  csp::options scheduler{};  // by default all processors
  unsigned readers = 4;      // how many files are read at a time, at most
  bool progress = false;     // show it on stderr
  bool errors = true;        // print them to stderr; they are counted in any case
};

struct job_result {
  totals read;
  std::vector<word_table> shards;  // no word is in two of them
  seconds time{};
  unsigned processors = 0;
  csp::statistics scheduler;
};

// Runs the job on a scheduler of its own; not in a task.
job_result run_job(const job_options& options);

}  // namespace wordcount
