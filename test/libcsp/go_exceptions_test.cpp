// C++ exceptions belong to the task: thrown, caught, kept over a park, nested, rethrown, on whatever processor.
#include "test/support/topologies.h"

#include <atomic>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

using csp_test::expectations;
using csp_test::on_each_topology;
using namespace std::chrono_literals;

namespace {

// Parks in one of several ways, so that the task may come back on another processor.
void park(int way, const csp::chan<int>& channel) {
  switch (way % 4) {
    case 0:
      csp::yield();
      break;
    case 1:
      csp::sleep_for(10us);
      break;
    case 2:
      csp::spawn([] { csp::yield(); }).join();
      break;
    default: {
      // Buffered for all: sends and receives balance.
      channel.send(way);
      static_cast<void>(channel.recv());
    }
  }
}

}  // namespace

TEST_CASE("exceptions: a caught exception survives parks in its catch block, while other tasks throw") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int tasks = 64;
    const int rounds = static_cast<int>(csp_test::scaled(100));
    const csp::chan<int> channel(8);
    csp::wait_group all(tasks);
    for (int id = 0; id < tasks; ++id) {
      csp::go([&, id] {
        for (int round = 0; round < rounds; ++round) {
          const std::string mine = std::to_string(id) + "/" + std::to_string(round);
          try {
            try {
              throw std::runtime_error(mine);
            } catch (const std::runtime_error& error) {
              park(id + round, channel);
              expect(mine == error.what(), "the exception in its catch block");
              expect(std::current_exception() != nullptr, "current_exception in a catch block");
              park(id + round + 1, channel);
              throw;
            }
          } catch (const std::exception& again) {
            expect(mine == again.what(), "rethrown after a park");
          }
          expect(std::current_exception() == nullptr, "current_exception after the catch block");
        }
        all.done();
      });
    }
    all.wait();
  });
}

TEST_CASE("exceptions: nested catch blocks with parks on every level") {
  struct nest {
    static void descend(int depth, int id, const csp::chan<int>& channel, expectations& expect) {
      if (depth == 0) {
        return;
      }
      try {
        throw id * 100 + depth;
      } catch (int value) {
        park(id + depth, channel);
        descend(depth - 1, id, channel, expect);
        park(id, channel);
        expect(value == id * 100 + depth, "the level's own exception");
        try {
          throw;
        } catch (int same) {
          expect(same == id * 100 + depth, "the level's own exception, rethrown");
        }
      }
    }
  };
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int tasks = 32;
    const csp::chan<int> channel(8);
    csp::wait_group all(tasks);
    for (int id = 0; id < tasks; ++id) {
      csp::go([&, id] {
        nest::descend(8, id, channel, expect);
        all.done();
      });
    }
    all.wait();
  });
}

TEST_CASE("exceptions: unwinding may park; the count of uncaught exceptions is the task's own") {
  struct parks_at_end {
    expectations& expect;
    const csp::chan<int>& channel;
    int way;
    ~parks_at_end() {
      expect(std::uncaught_exceptions() == 1, "while unwinding");
      park(way, channel);
      expect(std::uncaught_exceptions() == 1, "while unwinding, after a park");
      try {
        throw std::logic_error("inside a destructor");
      } catch (const std::logic_error&) {
        park(way + 1, channel);
        expect(std::uncaught_exceptions() == 1, "in a catch block while unwinding");
      }
    }
  };
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int tasks = 48;
    const int rounds = static_cast<int>(csp_test::scaled(40));
    const csp::chan<int> channel(8);
    csp::wait_group all(tasks);
    for (int id = 0; id < tasks; ++id) {
      csp::go([&, id] {
        for (int round = 0; round < rounds; ++round) {
          if (id % 3 == 0) {
            // A bystander.
            expect(std::uncaught_exceptions() == 0, "nothing uncaught in a bystander");
            expect(std::current_exception() == nullptr, "nothing caught in a bystander");
            park(id + round, channel);
            continue;
          }
          try {
            const parks_at_end local{expect, channel, id + round};
            throw id;
          } catch (int value) {
            expect(value == id, "the exception after unwinding that parked");
            expect(std::uncaught_exceptions() == 0, "nothing uncaught in the catch block");
          }
        }
        all.done();
      });
    }
    all.wait();
  });
}

TEST_CASE("exceptions: a catch block that parks while another task throws on the same thread") {
  csp::options one;
  one.processors = 1;
  expectations expect;
  csp::run(one, [&] {
    csp::chan<void> caught;
    csp::chan<void> thrown;
    auto first = csp::spawn([&] {
      try {
        throw std::string("first");
      } catch (const std::string& text) {
        caught.send();
        static_cast<void>(thrown.recv());
        expect(text == "first", "the first task's exception");
        throw;
      }
    });
    auto second = csp::spawn([&] {
      static_cast<void>(caught.recv());
      try {
        throw std::string("second");
      } catch (const std::string& text) {
        thrown.send();
        csp::yield();
        expect(text == "second", "the second task's exception");
      }
    });
    second.join();
    try {
      first.join();
      expect(false, "join returned");
    } catch (const std::string& text) {
      expect(text == "first", "rethrown after the other's end");
    }
  });
  expect.verify();
}

TEST_CASE("exceptions: an exception_ptr travels through a channel and is rethrown elsewhere") {
  on_each_topology([](expectations& expect, unsigned) {
    constexpr int count = 100;
    csp::chan<std::exception_ptr> errors;
    csp::go([=] {
      for (int i = 0; i < count; ++i) {
        std::exception_ptr error;
        try {
          throw std::out_of_range(std::to_string(i));
        } catch (...) {
          error = std::current_exception();
        }
        // Moved, so that nobody else counts its references: a sanitizer does not see the C++ runtime do so.
        errors.send(std::move(error));
      }
      errors.close();
    });
    int next = 0;
    for (const std::exception_ptr& error : errors) {
      try {
        std::rethrow_exception(error);
      } catch (const std::out_of_range& there) {
        expect(std::to_string(next++) == there.what(), "in order");
      }
    }
    expect(next == count, "all");
  });
}
