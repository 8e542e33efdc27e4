// A limit for what must end: a hang has no other end.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace csp_test {

/// Ends the program, with the tasks that live on stderr, when it is not destroyed in time.
class time_limit {
 public:
  /// `what` is told, too.
  time_limit(std::chrono::seconds limit, std::string what);
  ~time_limit();
  time_limit(const time_limit&) = delete;
  time_limit& operator=(const time_limit&) = delete;

 private:
  void watch(std::chrono::seconds limit);

  const std::string what_;
  std::mutex lock_;
  std::condition_variable changed_;
  bool over_ = false;  // guarded by lock_
  std::thread watch_;
};

}  // namespace csp_test
