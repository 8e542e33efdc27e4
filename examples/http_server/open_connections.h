// The connections of a server, so that it can end them: those that only wait for a request at once, the others when
// they have answered.

#pragma once

#include <libcsp/csp.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <unordered_set>

namespace http {

class open_connections {
 public:
  // One connection, for as long as it lives. Its task makes and destroys it, and calls the functions.
  class entry {
   public:
    entry(open_connections& all, csp::net::stream& stream) : all_(all), stream_(stream) {
      const std::lock_guard guard(all_.lock_);
      all_.entries_.insert(this);
    }
    ~entry() {
      const std::lock_guard guard(all_.lock_);
      all_.entries_.erase(this);
    }
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;

    // Before and after a wait for the first byte of a request. False: do not wait, the server stops.
    bool begin_idle() {
      idle_ = true;
      return !all_.stopping_;  // set before it looks at idle_: one of us sees the other
    }
    void end_idle() { idle_ = false; }

    bool stopping() const { return all_.stopping_; }

   private:
    friend class open_connections;
    open_connections& all_;
    csp::net::stream& stream_;
    std::atomic<bool> idle_{false};
  };

  // Tells all connections that the server stops. An idle one sees the end of its stream, after what has come already.
  void stop() {
    stopping_ = true;
    const std::lock_guard guard(lock_);
    for (entry* each : entries_) {
      if (each->idle_) {
        each->stream_.shutdown(csp::net::direction::read);
      }
    }
  }

  // Closes all that are left, whatever they do.
  void cut_off() {
    const std::lock_guard guard(lock_);
    for (entry* each : entries_) {
      each->stream_.close();
    }
  }

 private:
  csp::mutex lock_;
  std::unordered_set<entry*> entries_;  // guarded by lock_
  std::atomic<bool> stopping_{false};
};

}  // namespace http
