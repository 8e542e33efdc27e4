// redis_channels: the job of redis_callbacks with tasks: what a customer does is one function.
//
//   redis_channels PORT CUSTOMER...
//
// Teaches: the bridge of ares_channels once more, and a callback that is called again and again: the announcements of a
// subscription come through a csp::callback_channel, whose callback sees when there is no room, and when nobody listens
// any more.

#include <libcsp/csp.h>

#include <fmt/format.h>
#include <hiredis/async.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

// A copy of what hiredis hands to a callback.
struct reply {
  int type = REDIS_REPLY_ERROR;
  long long number = 0;
  std::string text = "the connection was lost";
};

reply copy_of(const void* from) {
  reply result;
  if (const auto* const original = static_cast<const redisReply*>(from)) {
    result = {original->type, original->integer, ""};
    if (original->str != nullptr) {
      result.text.assign(original->str, static_cast<std::size_t>(original->len));
    }
  }
  return result;
}

// The bridges, which no exception may leave. A reply comes once; a subscription's events come until there is none: then
// the connection ends.
void on_reply(redisAsyncContext*, void* what, void* context) noexcept {
  static_cast<void>(csp::callback<reply>::adopt(context)(copy_of(what)));
}

void on_event(redisAsyncContext*, void* what, void* context) noexcept {
  if (what == nullptr) {
    static_cast<void>(csp::callback<std::string>::adopt(context));
    return;
  }
  const auto& event = *static_cast<const redisReply*>(what);
  const auto notify = csp::callback<std::string>::borrow(context);
  if (event.type == REDIS_REPLY_ARRAY && notify(std::string(event.element[0]->str)) == csp::op_status::would_block) {
    fmt::print(stderr, "an event was lost: nobody listens fast enough\n");
  }
}

// A connection, and what hiredis waits for on its socket. For one task.
class connection {
 public:
  explicit connection(int port) : context_(::redisAsyncConnect("127.0.0.1", port)) {
    if (context_ == nullptr || context_->err != 0) {
      throw std::runtime_error(context_ == nullptr ? "no memory" : context_->errstr);
    }
    context_->ev.data = this;
    context_->ev.addRead = [](void* self) { static_cast<connection*>(self)->reads_ = true; };
    context_->ev.delRead = [](void* self) { static_cast<connection*>(self)->reads_ = false; };
    context_->ev.addWrite = [](void* self) { static_cast<connection*>(self)->writes_ = true; };
    context_->ev.delWrite = [](void* self) { static_cast<connection*>(self)->writes_ = false; };
    context_->ev.cleanup = [](void* self) { static_cast<connection*>(self)->context_ = nullptr; };
  }
  ~connection() {
    if (context_ != nullptr) {
      ::redisAsyncFree(context_);  // calls back for all that is left
    }
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  // `done` is called in any case.
  template <class T>
  void send(const std::vector<std::string>& words, redisCallbackFn* bridge, csp::callback<T> done) {
    std::vector<const char*> texts;
    std::vector<std::size_t> sizes;
    for (const std::string& word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    void* const context = done.release();
    if (context_ == nullptr || ::redisAsyncCommandArgv(context_, bridge, context, static_cast<int>(words.size()),
                                                       texts.data(), sizes.data()) != REDIS_OK) {
      bridge(nullptr, nullptr, context);
    }
  }

  void add_to(csp::select_list& arms) {
    if (context_ != nullptr && reads_) {
      arms.add(csp::on_readable(context_->c.fd, [this] { ::redisAsyncHandleRead(context_); }));
    }
    if (context_ != nullptr && writes_) {
      arms.add(csp::on_writable(context_->c.fd, [this] { ::redisAsyncHandleWrite(context_); }));
    }
  }

 private:
  redisAsyncContext* context_;  // null: hiredis has freed it
  bool reads_ = false;
  bool writes_ = false;
};

struct command {
  std::vector<std::string> words;
  csp::callback<reply> done;
};

// The driver's task: two connections, one of which listens.
void drive(int port, csp::receiver<command> commands, const csp::callback<std::string>& sales) {
  connection asking(port);
  connection listening(port);
  listening.send({"SUBSCRIBE", "sales"}, on_event, sales);
  for (bool open = true; open;) {
    csp::select_list arms;
    arms.add(csp::on_recv(commands, [&](std::optional<command> next) {
      open = next.has_value();
      if (open) {
        asking.send(next->words, on_reply, std::move(next->done));
      }
    }));
    asking.add_to(arms);
    listening.add_to(arms);
    arms.run();
  }
}

// Blocking calls for any task.
class redis {
 public:
  explicit redis(csp::sender<command> commands) : commands_(std::move(commands)) {}

  // Throws what Redis says is wrong.
  reply operator()(std::vector<std::string> words) const {
    const csp::one_shot<reply> answer;
    commands_.send({std::move(words), answer.callback()});
    reply result = answer.wait().value_or(reply());
    if (result.type == REDIS_REPLY_ERROR) {
      throw std::runtime_error(result.text);
    }
    return result;
  }

 private:
  csp::sender<command> commands_;
};

struct sale {
  std::string line;
  long long number = 0;
};

// All that a customer does, from top to bottom.
sale serve(const redis& ask, const std::string& name) {
  try {
    const long long number = ask({"INCR", "tickets"}).number;
    const std::string ticket = fmt::format("ticket:{}", number);
    ask({"SET", ticket, name});
    if (ask({"GET", ticket}).text != name) {
      throw std::runtime_error("the ticket has another name on it");
    }
    ask({"PUBLISH", "sales", name});
    return {name + ": has a ticket", number};
  } catch (const std::runtime_error& error) {
    return {fmt::format("{}: {}", name, error.what())};
  }
}

void run(int port, const std::vector<std::string>& names) {
  const csp::chan<command> commands;
  const csp::callback_channel<std::string> events(names.size() + 1);
  csp::join_handle<void> driving = csp::spawn({.name = "hiredis"}, [=, sales = events.callback()] {
    try {
      drive(port, commands, sales);
    } catch (...) {
      commands.close();  // who asks is told, not left waiting
      throw;
    }
  });
  const redis ask(commands);
  ask({"DEL", "tickets"});
  std::size_t heard = 0;
  bool listening = events.recv() == "subscribe";

  std::vector<csp::join_handle<sale>> sales;
  for (const std::string& name : names) {
    sales.push_back(csp::spawn([=] { return serve(ask, name); }));
  }
  std::size_t sold = 0;
  long long highest = 0;
  for (csp::join_handle<sale>& each : sales) {
    const sale outcome = each.join();
    sold += outcome.number > 0 ? 1 : 0;
    highest = std::max(highest, outcome.number);
    fmt::print("{}\n", outcome.line);
  }
  while (listening && heard < sold) {
    listening = events.recv() == "message";
    heard += listening ? 1 : 0;
  }
  fmt::print("numbers up to {}, {} sales heard\n", highest, heard);
  commands.close();
  driving.join();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) {
      throw std::invalid_argument("usage: redis_channels PORT CUSTOMER...");
    }
    const int port = std::stoi(argv[1]);
    csp::run([&] { run(port, {argv + 2, argv + argc}); });
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
