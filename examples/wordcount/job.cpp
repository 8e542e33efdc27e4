// The stages of the job and how they are joined; see job.h for the picture.

#include "job.h"

#include "read.h"
#include "walk.h"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace wordcount {

namespace {

// Large enough that handing a block over is nothing beside counting it, and small enough that it is
// still in the cache when it is counted.
constexpr std::size_t block_size = 256 * 1024;

// Runs fn in `count` tasks at once; when all have ended, runs `last`.
template <class F, class Last>
void stage(std::string_view name, unsigned count, F fn, Last last) {
  csp::go({.name = name}, [=, name = std::string(name)] {
    std::vector<csp::join_handle<void>> tasks;
    for (unsigned i = 0; i < count; ++i) {
      tasks.push_back(csp::spawn({.name = name}, fn));
    }
    for (csp::join_handle<void>& task : tasks) {
      task.join();
    }
    last();
  });
}

void walk(const std::vector<std::string>& roots, csp::sender<file_batch> batches, csp::sender<news> reports) {
  tree_walker walker(roots);
  for (bool more = true; more;) {
    file_batch batch;
    more = csp::blocking([&] { return walker.next(batch); });
    reports.send({.errors = walker.take_errors()});
    if (!batch.empty()) {
      batches.send(std::move(batch));
    }
  }
}

void read(csp::receiver<file_batch> batches, csp::receiver<block> empty, csp::sender<block> full,
          csp::sender<news> reports) {
  for (file_batch& batch : batches) {
    block_reader reader(std::move(batch));
    for (bool more = true; more;) {
      block text = empty.recv().value();
      more = csp::blocking([&] { return reader.fill(text); });
      full.send(std::move(text));
      reports.send({reader.take_files(), reader.take_bytes(), reader.take_errors()});
    }
  }
}

using table_channels = std::array<csp::chan<word_table>, shard_count>;

void count(csp::receiver<block> full, csp::sender<block> empty, const table_channels& tables) {
  std::array<word_table, shard_count> shards;
  for (block& text : full) {
    count_words(text.text(), shards);
    empty.send(std::move(text));
  }
  for (std::size_t i = 0; i < shard_count; ++i) {
    tables[i].send(std::move(shards[i]));
  }
}

word_table merge(csp::receiver<word_table> tables) {
  word_table sum;
  for (word_table& table : tables) {
    sum.merge(std::move(table));
  }
  return sum;
}

// The main task.
job_result run_stages(const job_options& options, unsigned processors) {
  const auto start = csp::clock::now();
  const unsigned readers = options.readers;
  const unsigned counters = processors;  // they never wait for long

  // Two blocks for each task that holds one: one to work on, one on its way.
  const std::size_t blocks = 2 * (readers + counters);
  csp::chan<file_batch> batches(readers);
  csp::chan<block> empty(blocks);
  csp::chan<block> full(blocks);
  csp::chan<news> reports(blocks);
  table_channels tables;

  for (std::size_t i = 0; i < blocks; ++i) {
    empty.send({.memory = std::vector<char>(block_size)});
  }

  stage(
      "walk", 1, [=, roots = options.roots] { walk(roots, batches, reports); }, [=] { batches.close(); });
  stage(
      "read", readers, [=] { read(batches, empty, full, reports); },
      [=] {
        full.close();
        reports.close();  // the walker ended before the readers
      });
  stage(
      "count", counters, [=] { count(full, empty, tables); },
      [=] {
        for (const csp::chan<word_table>& channel : tables) {
          channel.close();
        }
      });
  std::vector<csp::join_handle<word_table>> merged;
  for (const csp::chan<word_table>& channel : tables) {
    merged.push_back(csp::spawn({.name = "merge"}, [=] { return merge(channel); }));
  }

  job_result result;
  result.processors = processors;
  result.read = follow(reports, options.progress, options.errors);
  for (csp::join_handle<word_table>& shard : merged) {
    result.shards.push_back(shard.join());
  }
  result.time = csp::clock::now() - start;
  result.scheduler = csp::scheduler_statistics();
  return result;
}

}  // namespace

job_result run_job(const job_options& options) {
  const unsigned processors = csp::scheduler(options.scheduler).processors();  // asked, never started
  return csp::run(options.scheduler, [&] { return run_stages(options, processors); });
}

}  // namespace wordcount
