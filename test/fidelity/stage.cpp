#include "test/fidelity/stage.h"

#include <libcsp/csp.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <utility>

#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

std::atomic<bool> in_tasks{false};
std::atomic<bool> one_processor{false};
std::atomic<bool> processor_was_held{false};

// How often, and how far apart, a thread is found asleep before it counts as blocked: it may sleep for a moment on its
// way to the call (on a lock of the allocator, or a page).
constexpr int looks = 3;
constexpr auto between_looks = 2ms;
// Longer than any sane processor takes to begin a ready task, on a busy machine too.
constexpr auto patience = 2s;

/// The letter that the kernel has for the thread's state; '?' when it has ended.
char thread_state(pid_t thread) {
  const std::string path = "/proc/self/task/" + std::to_string(thread) + "/stat";
  std::FILE* const file = std::fopen(path.c_str(), "re");
  if (file == nullptr) {
    return '?';
  }
  char state = '?';
  // The name in parentheses is this program's own and has no blank in it.
  if (std::fscanf(file, "%*d %*s %c", &state) != 1) {
    state = '?';
  }
  static_cast<void>(std::fclose(file));
  return state;
}

/// Starts a task that sets the flag when it runs; with one processor that is when the probe has left it.
std::shared_ptr<std::atomic<bool>> start_flag_task() {
  auto ran = std::make_shared<std::atomic<bool>>(false);
  csp::go([ran] { ran->store(true); });
  return ran;
}

bool another_task_runs() {
  const auto ran = start_flag_task();
  const auto limit = std::chrono::steady_clock::now() + patience;
  while (!ran->load()) {
    if (std::chrono::steady_clock::now() > limit) {
      return false;
    }
    std::this_thread::sleep_for(500us);
  }
  return true;
}

/// Runs `body` in a thread that is none of libcsp's, which has a signal mask of its own, while csp::run is at work.
void run_beside(const csp::options& options, const std::function<void()>& body) {
  std::promise<void> started;
  std::promise<void> ended;
  std::thread beside([&] {
    started.get_future().wait();
    body();
    ended.set_value();
  });
  csp::run(options, [&] {
    started.set_value();
    csp::blocking([&] { ended.get_future().wait(); });
  });
  beside.join();
}

}  // namespace

bool running_in_tasks() noexcept { return in_tasks.load(); }

bool take_processor_was_held() noexcept { return processor_was_held.exchange(false); }

void run_on_stage(way how, unsigned processors, const std::function<void()>& body) {
  csp::options options;
  options.processors = processors;
  options.spares = 0;  // a held processor stays one processor less, which until_blocked() sees
  switch (how) {
    case way::thread:
    case way::alone:
      std::thread(body).join();
      return;
    case way::outside:
      run_beside(options, body);
      return;
    case way::task:
      in_tasks = true;
      one_processor = processors == 1;
      csp::run(options, body);
      in_tasks = false;
      one_processor = false;
      return;
  }
}

bystander::bystander() {
  if (one_processor) {
    ran_ = start_flag_task();
  }
}

void bystander::check() {
  if (ran_ != nullptr && !ran_->load()) {
    processor_was_held = true;
  }
}

peer::peer(std::function<void(peer&)> body) : opponent_(gettid()) {
  thread_ = std::thread([this, body = std::move(body)] {
    body(*this);
    done_ = true;
  });
}

void peer::join() {
  while (running_in_tasks() && !done_) {
    csp::sleep_for(1ms);
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void peer::until_blocked() {
  if (running_in_tasks() && !another_task_runs()) {
    processor_was_held = true;
  }
  const auto limit = std::chrono::steady_clock::now() + patience;
  for (int asleep = 0; asleep < looks && std::chrono::steady_clock::now() < limit;) {
    std::this_thread::sleep_for(between_looks);
    asleep = thread_state(opponent_) == 'S' ? asleep + 1 : 0;
  }
}

}  // namespace fidelity
