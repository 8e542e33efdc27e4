// hiredis, as Debian ships it, against Redis: blocking calls in tasks answer, overlap, fail and time out as they do in
// threads.
#include "test/support/crew.h"
#include "test/support/servers/black_hole.h"
#include "test/support/servers/kinds.h"

#include <hiredis/hiredis.h>

#include <cerrno>
#include <memory>
#include <stdexcept>
#include <string>

using csp_test::carrier;
using csp_test::crew_report;
using csp_test::expectations;
using csp_test::gate;
using csp_test::server;
using namespace std::chrono_literals;

namespace {

struct closer {
  void operator()(redisContext* connection) const { redisFree(connection); }
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using connection = std::unique_ptr<redisContext, closer>;
using reply = std::unique_ptr<redisReply, closer>;

/// Even clients come by TCP, odd ones by the unix socket.
connection connect(const server& to, std::size_t index) {
  connection made(index % 2 == 0 ? redisConnect("127.0.0.1", to.port())
                                 : redisConnectUnix((to.folder() + "/socket").c_str()));
  if (made == nullptr || made->err != 0) {
    throw std::runtime_error(made == nullptr ? "no memory" : made->errstr);
  }
  return made;
}

template <class... Arguments>
reply command(const connection& by, const char* format, Arguments... arguments) {
  return reply(static_cast<redisReply*>(redisCommand(by.get(), format, arguments...)));
}

reply next_reply(const connection& by) {
  void* found = nullptr;
  return reply(redisGetReply(by.get(), &found) == REDIS_OK ? static_cast<redisReply*>(found) : nullptr);
}

/// The text of a string, status or error; what else there is, in words.
std::string text(const reply& of) {
  if (of == nullptr) {
    return "(no reply)";
  }
  const bool has_text =
      of->type == REDIS_REPLY_STRING || of->type == REDIS_REPLY_STATUS || of->type == REDIS_REPLY_ERROR;
  return has_text ? std::string(of->str, static_cast<std::size_t>(of->len)) : "(no text)";
}

bool is_number(const reply& of, long long wanted) {
  return of != nullptr && of->type == REDIS_REPLY_INTEGER && of->integer == wanted;
}

void values(const connection& by, expectations& expect, std::size_t index, int round) {
  const std::string key = "key " + std::to_string(index);
  const std::string stored = "value " + std::to_string(index * 1000 + static_cast<std::size_t>(round));
  expect(text(command(by, "SET %s %s", key.c_str(), stored.c_str())) == "OK", "set");
  expect(text(command(by, "GET %s", key.c_str())) == stored, "get");
  expect(is_number(command(by, "INCR own-%lu", index), round + 1), "a counter of its own");
  expect(!text(command(by, "INCR shared")).empty(), "the counter of all");
}

void pipeline(const connection& by, expectations& expect, std::size_t index) {
  constexpr int commands = 100;
  for (int i = 0; i < commands; ++i) {
    expect(redisAppendCommand(by.get(), "ECHO %lu-%d", index, i) == REDIS_OK, "append");
  }
  for (int i = 0; i < commands; ++i) {
    expect(text(next_reply(by)) == std::to_string(index) + "-" + std::to_string(i), "replies in order");
  }
}

void large_value(const connection& by, expectations& expect, std::size_t index) {
  std::string sent(300'000, static_cast<char>('a' + index % 26));
  sent += std::to_string(index);
  expect(text(command(by, "SET large-%lu %b", index, sent.data(), sent.size())) == "OK", "set");
  expect(text(command(by, "GET large-%lu", index)) == sent, "300 KB there and back");
  expect(is_number(command(by, "DEL large-%lu", index), 1), "delete");
}

void transaction(const connection& by, expectations& expect, std::size_t index) {
  expect(text(command(by, "MULTI")) == "OK", "multi");
  expect(text(command(by, "RPUSH list-%lu a", index)) == "QUEUED", "queued");
  expect(text(command(by, "LLEN list-%lu", index)) == "QUEUED", "queued");
  const reply both = command(by, "EXEC");
  expect(both != nullptr && both->type == REDIS_REPLY_ARRAY && both->elements == 2, "exec");
  expect(text(command(by, "INCR list-%lu", index)).starts_with("WRONGTYPE"), "an error of the server");
}

/// Clients 2k and 2k+1 hand a token to and fro: each waits on the server for the other.
void handover(const connection& by, expectations& expect, std::size_t index) {
  const std::size_t pair = index / 2;
  const char* const own = index % 2 == 0 ? "even" : "odd";
  const char* const other = index % 2 == 0 ? "odd" : "even";
  for (int round = 0; round < 10; ++round) {
    if (index % 2 == 0) {
      expect(is_number(command(by, "LPUSH %s-%lu %d", other, pair, round), 1), "push");
    }
    const reply popped = command(by, "BLPOP %s-%lu 30", own, pair);
    expect(popped != nullptr && popped->elements == 2 && popped->element[1]->str == std::to_string(round), "pop");
    if (index % 2 == 1) {
      expect(is_number(command(by, "LPUSH %s-%lu %d", other, pair, round), 1), "push back");
    }
  }
}

constexpr int rounds = 10;

void check_work(const server& to, carrier by, std::size_t count) {
  CAPTURE(by.processors, count);
  const connection own = connect(to, 0);
  REQUIRE(text(command(own, "FLUSHALL")) == "OK");
  expectations expect;
  gate connected(count);
  gate counted(1);
  csp_test::run_crew(
      expect, by, count,
      [&](std::size_t index) {
        const connection mine = connect(to, index);
        connected.pass();
        counted.wait();
        for (int round = 0; round < rounds; ++round) {
          values(mine, expect, index, round);
        }
        pipeline(mine, expect, index);
        large_value(mine, expect, index);
        transaction(mine, expect, index);
        handover(mine, expect, index);
      },
      [&] {
        connected.wait();
        const std::string info = text(command(connect(to, 0), "INFO clients"));
        expect(info.find("connected_clients:" + std::to_string(count + 2)) != std::string::npos, info.c_str());
        counted.come();
      });
  expect.verify();
  CHECK(text(command(own, "GET shared")) == std::to_string(count * rounds));
}

void check_overlap(const server& to, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 50, [&](std::size_t index) {
    const connection mine = connect(to, index);
    const reply nothing = command(mine, "BLPOP missing 0.2");
    expect(nothing != nullptr && nothing->type == REDIS_REPLY_NIL, "a wait on the server");
  });
  expect.verify();
  csp_test::check_overlapped(report, 50, 200ms);
}

void check_killed(const server& to, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  gate under_way(50);
  gate dead(1);
  csp_test::run_crew(
      expect, by, 50,
      [&](std::size_t index) {
        const connection mine = connect(to, index);
        if (index < 25) {
          int written = 0;
          expect(redisAppendCommand(mine.get(), "BLPOP missing 60") == REDIS_OK, "append");
          while (written == 0) {
            expect(redisBufferWrite(mine.get(), &written) == REDIS_OK, "send");
          }
          under_way.come();
          expect(next_reply(mine) == nullptr, "the wait fails");
        } else {
          for (int i = 0; text(command(mine, "ECHO here")) == "here"; ++i) {
            if (i == 10) {
              under_way.come();
            }
          }
        }
        expect(mine->err == REDIS_ERR_EOF || mine->err == REDIS_ERR_IO, mine->errstr);
        dead.wait();
        expect(redisReconnect(mine.get()) == REDIS_ERR && mine->err == REDIS_ERR_IO, "a new connection is refused");
        expect(mine->errstr == std::string("Connection refused"), mine->errstr);
      },
      [&] {
        under_way.wait();
        to.kill();
        dead.come();
      });
  expect.verify();
}

/// A reply that takes longer than the client waits.
void check_slow_answer(const server& to, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t index) {
    const connection mine = connect(to, index);
    expect(redisSetTimeout(mine.get(), timeval{0, 500'000}) == REDIS_OK, "SO_RCVTIMEO");
    expect(command(mine, "BLPOP missing 30") == nullptr, "no reply");
    expect(mine->err == REDIS_ERR_IO, mine->errstr);
    expect(mine->errstr == std::string("Resource temporarily unavailable"), mine->errstr);
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 500ms);
}

void check_black_hole(carrier by, csp_test::black_hole_kind kind) {
  const csp_test::black_hole hole(kind);
  CAPTURE(by.processors, static_cast<int>(kind));
  expectations expect;
  const timeval limit{0, 500'000};
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t) {
    const connection mine(redisConnectWithTimeout("127.0.0.1", hole.port(), limit));
    if (kind == csp_test::black_hole_kind::silent) {
      expect(mine->err == 0 && redisSetTimeout(mine.get(), limit) == REDIS_OK, "connected");
      expect(command(mine, "PING") == nullptr, "no reply");
    }
    expect(mine->err == REDIS_ERR_IO, mine->errstr);
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 500ms);
}

}  // namespace

TEST_CASE("redis: many clients at once, each answer exact") {
  if (const auto to = csp_test::start_redis()) {
    for (const carrier by : csp_test::all_carriers) {
      check_work(*to, by, by.threads() ? 20 : 200);
    }
  }
}

TEST_CASE("redis: waits on the server overlap") {
  if (const auto to = csp_test::start_redis()) {
    for (const carrier by : csp_test::narrow_carriers) {
      check_overlap(*to, by);
      check_slow_answer(*to, by);
    }
  }
}

TEST_CASE("redis: a server that is killed gives each client hiredis's own error") {
  for (const carrier by : csp_test::all_carriers) {
    if (const auto to = csp_test::start_redis()) {
      check_killed(*to, by);
    }
  }
}

TEST_CASE("redis: a black hole is left on time") {
  for (const carrier by : csp_test::narrow_carriers) {
    check_black_hole(by, csp_test::black_hole_kind::silent);
    check_black_hole(by, csp_test::black_hole_kind::full);
  }
}
