// 06: channels between a plain std::thread and tasks.
//
// Teaches: every channel operation works from any thread, not only from tasks: a thread that has to
// wait sleeps in the kernel, a task gives its processor to another task. So a program can move to
// tasks one part at a time. A channel belongs to no scheduler: it may be made before csp::run and
// live on after it.

#include <libcsp/csp.h>

#include <fmt/core.h>

#include <cctype>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

struct request {
  std::string text;
  csp::sender<std::string> reply;  // a channel sent over a channel: where the answer goes
};

std::string shout(std::string text) {
  for (char& c : text) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return text;
}

// Runs on a plain thread: asks the tasks and prints their answers.
void client(csp::sender<request> requests) {
  csp::chan<std::string> replies;
  for (const char* text : {"a thread sends", "a task answers", "a thread receives"}) {
    requests.send(request{text, replies});
    fmt::print("{}\n", replies.recv().value());
  }

  // Timeouts and select work here as well: nobody will answer, since nobody was asked.
  std::string reply;
  if (replies.recv_for(reply, 10ms) == csp::op_status::timeout) {
    fmt::print("a thread can have a timeout\n");
  }
  requests.close();  // the last request was sent: lets the tasks end
}

}  // namespace

int main() {
  csp::chan<request> requests;
  std::thread thread([=] { client(requests); });

  int served = csp::run([=] {
    int count = 0;
    for (request& r : requests) {
      csp::go([r = std::move(r)] { r.reply.send(shout(r.text)); });
      ++count;
    }
    return count;
  });

  thread.join();
  fmt::print("{} requests served\n", served);
}
