// Runs the probes in one way and prints a line "name: outcome" for each.
//
//   usage: PROGRAM thread|alone|outside|task1|task4 [--from N] [--shard I/N] [--only TEXT]
//          PROGRAM --list
//
// Exit status 3: a probe did not end. Its line says so; the run can go on with --from. The number that --from takes
// counts the probes of the whole list.
#include "test/fidelity/families.h"
#include "test/fidelity/frame.h"
#include "test/fidelity/stage.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <thread>

#include <unistd.h>

namespace {

using namespace fidelity;
using namespace std::chrono_literals;

// Beyond what any probe takes on a machine that is busy with other things.
constexpr auto probe_limit = 15s;

// Seconds; beyond what all probes together take on a machine that is busy with other things.
constexpr unsigned process_limit = 300;

struct selection {
  std::size_t from = 0;
  std::size_t shard = 0;
  std::size_t shards = 1;
  std::string only;
};

/// Ends the process when one probe takes too long.
class watchdog {
 public:
  watchdog() : thread_([this] { watch(); }) {}
  ~watchdog() {
    over_ = true;
    thread_.join();
  }
  watchdog(const watchdog&) = delete;
  watchdog& operator=(const watchdog&) = delete;
  void begin_probe() { rounds_ = 0; }

 private:
  void watch() {
    while (!over_) {
      std::this_thread::sleep_for(100ms);
      if (++rounds_ * 100ms > probe_limit) {
        std::printf("does not end\n");
        std::fflush(stdout);
        std::_Exit(3);
      }
    }
  }

  std::atomic<bool> over_{false};
  std::atomic<int> rounds_{0};
  std::thread thread_;
};

probe_list every_probe() {
  probe_list list;
  add_unseen_flags(list);
  add_unseen_reuse(list);
  add_receive(list);
  add_receive_flags(list);
  add_send(list);
  add_datagrams(list);
  add_connect(list);
  add_accept(list);
  add_makers(list);
  add_flags(list);
  add_remembered(list);
  add_options(list);
  add_poll(list);
  add_select(list);
  add_epoll(list);
  add_sleep(list);
  add_names(list);
  add_children(list);
  add_locks(list);
  add_files(list);
  add_events(list);
  add_sendfile(list);
  add_reuse(list);
  add_bad(list);
  add_fortified(list);
  add_signals(list);
  add_inherited(list);
  return list;
}

void run_probe(const probe& each) {
  outcome out;
  std::string text;
  if (each.place == where::threads_only && running_in_tasks()) {
    text = "-";
  } else {
    try {
      each.run(out);
      text = out.text();
    } catch (const std::exception& error) {
      text = out.text() + "; cannot go on: " + error.what();
    }
  }
  if (take_processor_was_held()) {
    text += "; THE PROCESSOR WAS HELD";
  }
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
}

void run_selected(const probe_list& list, const selection& wanted) {
  watchdog dog;
  std::size_t number = 0;
  for (const probe& each : list.all()) {
    const std::size_t own = number++;
    if (own < wanted.from || own % wanted.shards != wanted.shard || each.name.find(wanted.only) == std::string::npos) {
      continue;
    }
    dog.begin_probe();
    std::printf("%zu\t%s\t", own, each.name.c_str());
    std::fflush(stdout);
    run_probe(each);
  }
}

bool parse(int argc, char** argv, selection& wanted) {
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string_view option = argv[i];
    if (option == "--from") {
      wanted.from = std::strtoul(argv[i + 1], nullptr, 10);
    } else if (option == "--only") {
      wanted.only = argv[i + 1];
    } else if (option != "--shard" || std::sscanf(argv[i + 1], "%zu/%zu", &wanted.shard, &wanted.shards) != 2) {
      return false;
    }
  }
  return argc % 2 == 0 && wanted.shards != 0;
}

}  // namespace

int main(int argc, char** argv) {
  // A peer may write to what the probe has closed. Probes that look at the signal handle it themselves.
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  ::alarm(process_limit);  // ends the process if even the watchdog cannot
  const std::string_view how = argc > 1 ? argv[1] : "";
  const probe_list list = every_probe();
  if (how == "--list") {
    for (const probe& each : list.all()) {
      std::printf("%s\n", each.name.c_str());
    }
    return 0;
  }
  selection wanted;
  way chosen = way::thread;
  if (how == "alone") {
    chosen = way::alone;
  } else if (how == "outside") {
    chosen = way::outside;
  } else if (how == "task1" || how == "task4") {
    chosen = way::task;
  } else if (how != "thread") {
    std::fputs("usage: see the head of main.cpp\n", stderr);
    return 2;
  }
  if (!parse(argc, argv, wanted)) {
    std::fputs("usage: see the head of main.cpp\n", stderr);
    return 2;
  }
  run_on_stage(chosen, how == "task4" ? 4 : 1, [&] { run_selected(list, wanted); });
  return 0;
}
