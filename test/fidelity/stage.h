// Where and how the probes of a process run, and the threads that play against them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>

#include <sys/types.h>

namespace fidelity {

/// The ways, by the names that the command line gives them.
enum class way {
  thread,   ///< "thread": in a plain thread; meant for the program without hooks
  alone,    ///< "alone": in a plain thread, while no libcsp runs
  outside,  ///< "outside": in a plain thread, while csp::run is at work
  task,     ///< "task1", "task4": in a task, on so many processors
};

/// Runs `body` in that way and returns when it has. Sets what running_in_tasks() tells.
void run_on_stage(way how, unsigned processors, const std::function<void()>& body);

[[nodiscard]] bool running_in_tasks() noexcept;

/// True once after a peer saw that the probe's call kept its processor from other tasks.
[[nodiscard]] bool take_processor_was_held() noexcept;

/// Sees whether the calls between its making and check() let other tasks run; for calls that wait for time only.
/// Nothing to see outside tasks, or with several processors.
class bystander {
 public:
  bystander();
  /// Notes a fault of the probe if no other task could run.
  void check();

 private:
  std::shared_ptr<std::atomic<bool>> ran_;
};

/// The other side of a probe: a plain thread, in every way. Made and joined by the probe.
class peer {
 public:
  explicit peer(std::function<void(peer&)> body);
  ~peer() { join(); }
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;

  /// Waits for its end; does not hold the processor when the caller is a task.
  void join();

  /// For the body: returns when the probe waits in its call. In a task that means that its processor runs other tasks
  /// meanwhile; if it does not, that is noted as a fault of the probe.
  void until_blocked();

 private:
  pid_t opponent_;  // the thread that made it
  std::atomic<bool> done_{false};
  std::thread thread_;
};

}  // namespace fidelity
