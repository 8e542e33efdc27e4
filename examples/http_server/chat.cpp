#include "chat.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string_view>
#include <vector>

namespace http {

namespace {

using namespace std::chrono_literals;

// How many events a member may be behind: some seconds of a lively room.
constexpr std::size_t patience = 64;

// A comment is sent when this has passed: it finds members that have left without a word, and keeps proxies, which
// often end what is silent for a minute, from ending the others.
constexpr auto heartbeat_period = 15s;

// Each line gets its field; a line ends by \n, \r or both, so none of them can smuggle a field of its own.
chat_event encoded(std::string_view text) {
  std::string event;
  for (bool more = true; more;) {
    const auto end = text.find_first_of("\r\n");
    more = end != std::string_view::npos;
    event.append("data: ").append(text.substr(0, end)).append("\n");
    if (more) {
      text.remove_prefix(end + (text.substr(end, 2) == "\r\n" ? 2 : 1));
    }
  }
  return std::make_shared<const std::string>(event + "\n");
}

void attend(csp::receiver<csp::chan<chat_event>> joining, csp::receiver<std::string> said,
            csp::receiver<void> closing) {
  std::vector<csp::chan<chat_event>> members;
  const auto tell_all = [&](const chat_event& event) {
    std::erase_if(members, [&](const csp::chan<chat_event>& member) {
      const bool gone = member.try_send(event) != csp::op_status::ok;
      return gone && (member.close(), true);
    });
  };
  const csp::ticker heartbeat(heartbeat_period);
  for (bool open = true; open;) {
    csp::select(
        csp::on_recv(joining, [&](std::optional<csp::chan<chat_event>> member) { members.push_back(member.value()); }),
        csp::on_recv(said, [&](std::optional<std::string> text) { tell_all(encoded(text.value())); }),
        csp::on_recv(heartbeat.channel(),
                     [&](std::optional<csp::clock::time_point>) { tell_all(std::make_shared<std::string>(":\n\n")); }),
        csp::on_recv(closing, [&](bool) { open = false; }));
  }
  for (const csp::chan<chat_event>& member : members) {
    member.close();
  }
}

}  // namespace

chat_room::chat_room() {
  csp::go({.name = "chat room"}, [joining = joining_, said = said_, closing = closing_] {
    attend(joining, said, closing);
    joining.close();
    said.close();
  });
}

std::optional<chat_member> chat_room::join() const {
  csp::chan<chat_event> events(patience);
  if (joining_.send_for(events, csp::clock::duration::max()) != csp::op_status::ok) {
    return std::nullopt;
  }
  return chat_member(events);
}

bool chat_room::say(std::string text) const {
  return said_.send_for(std::move(text), csp::clock::duration::max()) == csp::op_status::ok;
}

}  // namespace http
