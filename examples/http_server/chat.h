// A chat room as a task: whoever listens has a channel of his own, whoever speaks sends to the room's.
//
//   POST /chat --> say() --.                      .--> chat_member --> GET /chat/events
//   POST /chat --> say() ---+--> the room's task -+--> chat_member --> GET /chat/events
//                                                 '--> ...
//
// The task alone knows the members, so nothing is locked. It never waits for one of them: who has left, or has fallen
// so far behind that his channel is full, is a member no more.

#pragma once

#include <libcsp/csp.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace http {

// One event of a text/event-stream (HTML standard, "Server-sent events"), as it is sent; all members share it.
using chat_event = std::shared_ptr<const std::string>;

// Somebody who listens. events() is closed when the room is, or when he has fallen too far behind. Destroying it leaves
// the room.
class chat_member {
 public:
  explicit chat_member(csp::chan<chat_event> events) : events_(std::move(events)) {}
  chat_member(chat_member&&) noexcept = default;
  chat_member& operator=(chat_member&&) = delete;
  ~chat_member() {
    if (events_) {
      events_.close();  // the room sees it at its next event
    }
  }

  csp::receiver<chat_event> events() const { return events_; }

 private:
  csp::chan<chat_event> events_;
};

// A handle, as a channel is: copies are the same room. For any task.
class chat_room {
 public:
  // Starts the room's task.
  chat_room();

  // Nothing when the room is closed.
  std::optional<chat_member> join() const;
  // Tells all members; all see the same order. False when the room is closed.
  bool say(std::string text) const;
  // Ends the room.
  void close() const { closing_.close(); }

 private:
  csp::chan<csp::chan<chat_event>> joining_;
  csp::chan<std::string> said_;
  csp::chan<void> closing_;
};

}  // namespace http
