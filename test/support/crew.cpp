#include "test/support/crew.h"

#include "test/support/time_limit.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string>
#include <thread>
#include <vector>

namespace csp_test {
namespace {

using namespace std::chrono_literals;

/// Runs `part` and makes a failure of what it throws; told at once as well, since others may now wait for ever.
void guarded(expectations& expect, const std::string& name, const std::function<void()>& part) {
  try {
    part();
  } catch (const std::exception& error) {
    const std::string text = name + ": exception: " + error.what();
    std::fprintf(stderr, "%s\n", text.c_str());
    expect(false, text.c_str());
  }
}

void run_threads(std::size_t count, const std::function<void(std::size_t)>& run) {
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < count; ++i) {
    threads.emplace_back([&run, i] { run(i); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

void run_tasks(carrier by, std::size_t count, const std::function<void(std::size_t)>& run) {
  csp::options options;
  options.processors = by.processors;
  options.spares = 0;
  csp::run(options, [&] {
    std::vector<csp::join_handle<void>> tasks;
    for (std::size_t i = 0; i < count; ++i) {
      csp::task_options task;
      const std::string name = "part " + std::to_string(i);
      task.name = name;
      tasks.push_back(csp::spawn(task, [&run, i] { run(i); }));
    }
    for (csp::join_handle<void>& task : tasks) {
      task.join();
    }
  });
}

/// Client libraries that write without MSG_NOSIGNAL leave it to the program to ignore SIGPIPE.
const auto sigpipe_before = std::signal(SIGPIPE, SIG_IGN);

}  // namespace

void check_overlapped(const crew_report& report, std::size_t count, std::chrono::milliseconds each) {
  CHECK(report.lasted >= each);
  // One after another would take count * each. Connections take some time, too, and the machine may be busy.
  CHECK(report.lasted < count * each * 3 / 10);
  CHECK(report.ticks >= static_cast<std::size_t>(report.lasted / tick_period) / 4);
}

crew_report run_crew(expectations& expect, carrier by, std::size_t count,
                     const std::function<void(std::size_t index)>& client, const std::function<void()>& meanwhile) {
  const footprint before = footprint::now();
  crew_report result;
  {
    const time_limit limit(60s, "a crew");
    std::atomic<std::size_t> living{count + 1};
    // The parts after the clients are the one beside them and the ticker.
    const auto part = [&](std::size_t index) {
      if (index == count + 1) {
        for (; living.load() > 0; ++result.ticks) {
          csp::sleep_for(tick_period);
        }
        return;
      }
      guarded(expect, index < count ? "client " + std::to_string(index) : "meanwhile", [&] {
        if (index < count) {
          client(index);
        } else {
          meanwhile();
        }
      });
      living.fetch_sub(1);
    };
    const auto start = std::chrono::steady_clock::now();
    if (by.threads()) {
      run_threads(count + 2, part);
    } else {
      run_tasks(by, count + 2, part);
    }
    result.lasted = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start);
  }
  CHECK(footprint::settled(before).beyond(before) == "");
  return result;
}

}  // namespace csp_test
