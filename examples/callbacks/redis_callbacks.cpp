// redis_callbacks: sells tickets by hiredis' asynchronous interface in the way that it asks for: callbacks, and a loop
// around poll(2).
//
//   redis_callbacks PORT CUSTOMER...
//
// Each customer draws a number (INCR), writes the name under it (SET), reads it back (GET) and announces the sale
// (PUBLISH); a second connection listens to the announcements (SUBSCRIBE). All customers are served at once. Prints a
// line for each, in the order in which they were given, and a sum. Its twin, redis_channels, does the same job with
// tasks.

#include <fmt/format.h>
#include <hiredis/async.h>
#include <poll.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

// A connection, and what hiredis waits for on its socket.
struct connection {
  redisAsyncContext* context = nullptr;  // null: hiredis has freed it
  bool reads = false;
  bool writes = false;

  void open(int port) {
    context = ::redisAsyncConnect("127.0.0.1", port);
    if (context == nullptr || context->err != 0) {
      throw std::runtime_error(context == nullptr ? "no memory" : context->errstr);
    }
    context->ev.data = this;
    context->ev.addRead = [](void* self) { static_cast<connection*>(self)->reads = true; };
    context->ev.delRead = [](void* self) { static_cast<connection*>(self)->reads = false; };
    context->ev.addWrite = [](void* self) { static_cast<connection*>(self)->writes = true; };
    context->ev.delWrite = [](void* self) { static_cast<connection*>(self)->writes = false; };
    context->ev.cleanup = [](void* self) { *static_cast<connection*>(self) = {}; };
  }
};

class job;

// One customer on the way. What would be a function's variables lives here, from one callback to the next.
struct customer {
  job* owner = nullptr;
  std::string name;
  long long number = 0;
  std::string line;  // what is printed in the end
};

class job {
 public:
  job(int port, const std::vector<std::string>& names) {
    commands_.open(port);
    sales_.open(port);
    for (const std::string& name : names) {
      customers_.push_back({this, name, 0, ""});
    }
    left_ = customers_.size();
  }

  void run() {
    ::redisAsyncCommand(commands_.context, on_deleted, this, "DEL tickets");
    while (commands_.context != nullptr || sales_.context != nullptr) {
      wait_and_process();
    }
    if (failed_) {
      throw std::runtime_error("the connection was lost");
    }
    for (const customer& each : customers_) {
      fmt::print("{}\n", each.line);
    }
    fmt::print("numbers up to {}, {} sales heard\n", highest_, heard_);
  }

 private:
  static const redisReply* reply_of(void* reply) { return static_cast<const redisReply*>(reply); }

  // The steps before the first customer.
  static void on_deleted(redisAsyncContext*, void* reply, void* context) {
    auto& self = *static_cast<job*>(context);
    if (reply == nullptr || self.sales_.context == nullptr) {
      self.failed_ = true;
      self.disconnect();
      return;
    }
    ::redisAsyncCommand(self.sales_.context, on_sale, &self, "SUBSCRIBE sales");
  }

  static void on_sale(redisAsyncContext*, void* reply, void* context) {
    auto& self = *static_cast<job*>(context);
    if (reply == nullptr) {
      return;  // the connection ends
    }
    const redisReply* const event = reply_of(reply);
    if (event->type == REDIS_REPLY_ARRAY && std::string(event->element[0]->str) == "subscribe") {
      self.start();
    } else {
      ++self.heard_;
      self.end_if_done();
    }
  }

  void start() {
    for (customer& each : customers_) {
      ::redisAsyncCommand(commands_.context, on_number, &each, "INCR tickets");
    }
    end_if_done();
  }

  // The four steps of a customer.
  static void on_number(redisAsyncContext* redis, void* reply, void* context) {
    auto& self = *static_cast<customer*>(context);
    if (!self.owner->goes_on(self, reply)) {
      return;
    }
    self.number = reply_of(reply)->integer;
    ::redisAsyncCommand(redis, on_written, &self, "SET ticket:%lld %s", self.number, self.name.c_str());
  }
  static void on_written(redisAsyncContext* redis, void* reply, void* context) {
    auto& self = *static_cast<customer*>(context);
    if (self.owner->goes_on(self, reply)) {
      ::redisAsyncCommand(redis, on_read, &self, "GET ticket:%lld", self.number);
    }
  }
  static void on_read(redisAsyncContext* redis, void* reply, void* context) {
    auto& self = *static_cast<customer*>(context);
    if (!self.owner->goes_on(self, reply)) {
      return;
    }
    if (reply_of(reply)->str == nullptr || self.name != reply_of(reply)->str) {
      self.owner->finish(self, "the ticket has another name on it");
      return;
    }
    ::redisAsyncCommand(redis, on_published, &self, "PUBLISH sales %s", self.name.c_str());
  }
  static void on_published(redisAsyncContext*, void* reply, void* context) {
    auto& self = *static_cast<customer*>(context);
    if (self.owner->goes_on(self, reply)) {
      ++self.owner->sold_;
      self.owner->highest_ = std::max(self.owner->highest_, self.number);
      self.owner->finish(self, "has a ticket");
    }
  }

  // False when the step has failed, and the customer with it.
  bool goes_on(customer& self, void* reply) {
    if (reply == nullptr) {
      finish(self, "the connection was lost");
    } else if (reply_of(reply)->type == REDIS_REPLY_ERROR) {
      finish(self, reply_of(reply)->str);
    }
    return self.line.empty();
  }

  void finish(customer& self, const std::string& outcome) {
    self.line = fmt::format("{}: {}", self.name, outcome);
    --left_;
    end_if_done();
  }

  void end_if_done() {
    const bool lost = commands_.context == nullptr || sales_.context == nullptr;
    if (left_ == 0 && (heard_ == sold_ || lost)) {
      disconnect();
    }
  }

  void disconnect() {
    for (connection* each : {&commands_, &sales_}) {
      if (each->context != nullptr) {
        ::redisAsyncDisconnect(each->context);
      }
    }
  }

  void wait_and_process() {
    std::vector<pollfd> subjects;
    std::vector<connection*> owners;
    for (connection* each : {&commands_, &sales_}) {
      if (each->context != nullptr) {
        const int events = (each->reads ? POLLIN : 0) | (each->writes ? POLLOUT : 0);
        subjects.push_back({each->context->c.fd, static_cast<short>(events), 0});
        owners.push_back(each);
      }
    }
    ::poll(subjects.data(), subjects.size(), -1);
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      const bool failed = (subjects[i].revents & (POLLERR | POLLHUP)) != 0;
      if (owners[i]->context != nullptr && owners[i]->reads && (failed || (subjects[i].revents & POLLIN) != 0)) {
        ::redisAsyncHandleRead(owners[i]->context);
      }
      if (owners[i]->context != nullptr && owners[i]->writes && (failed || (subjects[i].revents & POLLOUT) != 0)) {
        ::redisAsyncHandleWrite(owners[i]->context);
      }
    }
  }

  connection commands_;
  connection sales_;
  std::deque<customer> customers_;  // they stay where they are
  std::size_t left_ = 0;
  std::size_t sold_ = 0;
  std::size_t heard_ = 0;
  long long highest_ = 0;
  bool failed_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) {
      throw std::invalid_argument("usage: redis_callbacks PORT CUSTOMER...");
    }
    job(std::stoi(argv[1]), {argv + 2, argv + argc}).run();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
