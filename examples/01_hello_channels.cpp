// 01: hello, channels.
//
// Teaches: csp::run, csp::go, an unbuffered and a buffered channel, close, csp::spawn and join.
// A channel is a handle, like a pointer: copy it into every task that uses it.

#include <libcsp/csp.h>

#include <fmt/core.h>

#include <optional>
#include <string>

int main() {
  csp::run([] {
    // Unbuffered: each send waits until a receiver takes the value.
    csp::chan<std::string> greetings;
    csp::go([=] {
      for (const char* name : {"tasks", "channels", "world"}) {
        greetings.send(fmt::format("hello, {}", name));
      }
      greetings.close();  // ends the loop below
    });
    for (const std::string& text : greetings) {
      fmt::print("{}\n", text);
    }

    // Buffered: three sends succeed although nobody receives yet.
    csp::chan<int> squares(3);
    for (int i = 1; i <= 3; ++i) {
      squares << i * i;
    }
    squares.close();  // what is in the buffer can still be received
    while (std::optional<int> square = squares.recv()) {
      fmt::print("square {}\n", *square);
    }

    // For one single result a task can be joined instead.
    csp::join_handle<int> answer = csp::spawn([] { return 6 * 7; });
    fmt::print("the answer is {}\n", answer.join());
  });
}
