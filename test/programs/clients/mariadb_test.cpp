// libmariadb, as Debian ships it, against MariaDB: blocking calls in tasks answer, overlap, fail and time out as they
// do in threads.
#include "test/support/crew.h"
#include "test/support/servers/black_hole.h"
#include "test/support/servers/kinds.h"

#include <errmsg.h>
#include <mysql.h>
#include <mysqld_error.h>

#include <array>
#include <cerrno>
#include <cstdint>
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
  void operator()(MYSQL* connection) const { mysql_close(connection); }
  void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
  void operator()(MYSQL_STMT* statement) const { mysql_stmt_close(statement); }
};
using connection = std::unique_ptr<MYSQL, closer>;
using result = std::unique_ptr<MYSQL_RES, closer>;
using statement = std::unique_ptr<MYSQL_STMT, closer>;

/// mysql_init sets the library up when it is called first, which is not thread-safe.
struct library {
  library() { mysql_library_init(0, nullptr, nullptr); }
  ~library() { mysql_library_end(); }
  library(const library&) = delete;
  library& operator=(const library&) = delete;
} const whole_program;

connection unconnected() { return connection(mysql_init(nullptr)); }

/// Even clients come by TCP, odd ones by the unix socket.
bool try_connect(const connection& by, const server& to, std::size_t index) {
  const std::string socket = to.folder() + "/socket";
  const bool tcp = index % 2 == 0;
  return mysql_real_connect(by.get(), tcp ? "127.0.0.1" : nullptr, "csp", "secret", "test",
                            tcp ? static_cast<unsigned>(to.port()) : 0, tcp ? nullptr : socket.c_str(), 0) != nullptr;
}

connection connect(const server& to, std::size_t index) {
  connection made = unconnected();
  if (!try_connect(made, to, index)) {
    throw std::runtime_error(mysql_error(made.get()));
  }
  return made;
}

bool execute(const connection& by, const std::string& text) { return mysql_query(by.get(), text.c_str()) == 0; }

/// The only value of a query, or the error's text.
std::string value(const connection& by, const std::string& text) {
  if (!execute(by, text)) {
    return mysql_error(by.get());
  }
  const result rows(mysql_store_result(by.get()));
  const MYSQL_ROW row = rows == nullptr ? nullptr : mysql_fetch_row(rows.get());
  return row == nullptr ? mysql_error(by.get()) : std::string(row[0], mysql_fetch_lengths(rows.get())[0]);
}

void many_rows(const connection& by, expectations& expect, std::size_t index) {
  expect(execute(by, "SELECT seq, seq * " + std::to_string(index) + " FROM seq_0_to_199"), "a query");
  const result rows(mysql_use_result(by.get()));  // each row is read when it is fetched
  std::size_t count = 0;
  bool same = true;
  while (const MYSQL_ROW row = mysql_fetch_row(rows.get())) {
    same = same && row[0] == std::to_string(count) && row[1] == std::to_string(count * index);
    ++count;
  }
  expect(same && count == 200, "the rows");
}

void large_value(const connection& by, expectations& expect, std::size_t index) {
  std::string sent;
  while (sent.size() < 100'000) {
    sent += "client " + std::to_string(index) + ' ';
  }
  expect(value(by, "SELECT '" + sent + "'") == sent, "100 KB there and back");
}

void transaction(const connection& by, expectations& expect, std::size_t index, int round) {
  expect(execute(by, "START TRANSACTION"), "start");
  expect(execute(by, "INSERT INTO ledger VALUES (" + std::to_string(index) + ", " + std::to_string(round) + ")"),
         mysql_error(by.get()));
  expect(mysql_affected_rows(by.get()) == 1, "one row");
  expect((round % 2 == 0 ? mysql_commit(by.get()) : mysql_rollback(by.get())) == 0, "the end of a transaction");
}

void server_error(const connection& by, expectations& expect) {
  expect(!execute(by, "SELEC 1"), "a syntax error");
  expect(mysql_errno(by.get()) == ER_PARSE_ERROR && mysql_sqlstate(by.get()) == std::string("42000"), "its code");
}

MYSQL_BIND number(std::int64_t& place) {
  MYSQL_BIND bind{};
  bind.buffer_type = MYSQL_TYPE_LONGLONG;
  bind.buffer = &place;
  return bind;
}

void prepared(const connection& by, expectations& expect, std::size_t index) {
  const statement sum(mysql_stmt_init(by.get()));
  const std::string text = "SELECT ? * 1000 + ?";
  expect(mysql_stmt_prepare(sum.get(), text.data(), text.size()) == 0, "prepare");
  for (std::int64_t round = 0; round < 10; ++round) {
    auto left = static_cast<std::int64_t>(index);
    std::int64_t right = round;
    std::int64_t answer = -1;
    std::array<MYSQL_BIND, 2> parameters{number(left), number(right)};
    MYSQL_BIND column = number(answer);
    expect(!mysql_stmt_bind_param(sum.get(), parameters.data()) && mysql_stmt_execute(sum.get()) == 0, "execute");
    expect(!mysql_stmt_bind_result(sum.get(), &column) && mysql_stmt_fetch(sum.get()) == 0, "fetch");
    expect(answer == left * 1000 + right, "a prepared statement");
    expect(mysql_stmt_fetch(sum.get()) == MYSQL_NO_DATA, "one row");
  }
}

constexpr int rounds = 6;

void work(const connection& by, expectations& expect, std::size_t index) {
  for (int round = 0; round < rounds; ++round) {
    expect(value(by, "SELECT CONCAT('client ', " + std::to_string(index) + ")") == "client " + std::to_string(index),
           "a value");
    many_rows(by, expect, index);
    transaction(by, expect, index, round);
  }
  large_value(by, expect, index);
  server_error(by, expect);
  prepared(by, expect, index);
  expect(mysql_ping(by.get()) == 0, "ping");
}

void check_work(const server& to, carrier by, std::size_t count) {
  CAPTURE(by.processors, count);
  const connection own = connect(to, 0);
  REQUIRE(execute(own, "CREATE OR REPLACE TABLE ledger (client INT, round INT) ENGINE=InnoDB"));
  expectations expect;
  gate connected(count);
  gate counted(1);
  csp_test::run_crew(
      expect, by, count,
      [&](std::size_t index) {
        const connection mine = connect(to, index);
        connected.pass();
        counted.wait();
        work(mine, expect, index);
      },
      [&] {
        connected.wait();
        const connection mine = connect(to, 0);
        const std::string user = value(mine, "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'csp'");
        expect(user == std::to_string(count + 2), "all are connected at once");
        counted.come();
      });
  expect.verify();
  // Every second round was rolled back.
  CHECK(value(own, "SELECT COUNT(*) FROM ledger") == std::to_string(count * rounds / 2));
  CHECK(value(own, "SELECT SUM(round) FROM ledger") == std::to_string(count * (0 + 2 + 4)));
}

void check_overlap(const server& to, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 50, [&](std::size_t index) {
    const connection mine = connect(to, index);
    expect(value(mine, "SELECT SLEEP(0.2)") == "0", "a sleep on the server");
  });
  expect.verify();
  csp_test::check_overlapped(report, 50, 200ms);
}

bool is_lost(const connection& by) {
  const unsigned error = mysql_errno(by.get());
  return error == CR_SERVER_LOST || error == CR_SERVER_GONE_ERROR;
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
          const std::string text = "SELECT SLEEP(60)";
          expect(mysql_send_query(mine.get(), text.data(), text.size()) == 0, "send");
          under_way.come();
          expect(mysql_read_query_result(mine.get()) != 0, "the sleep fails");
        } else {
          for (int i = 0; value(mine, "SELECT 1") == "1"; ++i) {
            if (i == 10) {
              under_way.come();
            }
          }
        }
        expect(is_lost(mine), mysql_error(mine.get()));
        dead.wait();
        const connection again = unconnected();
        expect(!try_connect(again, to, index), "a new connection is refused");
        expect(mysql_errno(again.get()) == CR_CONNECTION_ERROR, mysql_error(again.get()));
      },
      [&] {
        under_way.wait();
        to.kill();
        dead.come();
      });
  expect.verify();
}

/// A query that takes longer than the client waits.
void check_slow_answer(const server& to, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t index) {
    const connection mine = unconnected();
    const unsigned limit = 1;
    mysql_options(mine.get(), MYSQL_OPT_READ_TIMEOUT, &limit);
    expect(try_connect(mine, to, index), mysql_error(mine.get()));
    expect(!execute(mine, "SELECT SLEEP(30)") && is_lost(mine), mysql_error(mine.get()));
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 1s);
}

/// Half of the clients are connected and hear nothing, the others are not even connected.
void check_black_hole(carrier by) {
  const csp_test::black_hole silent(csp_test::black_hole_kind::silent);
  const csp_test::black_hole full(csp_test::black_hole_kind::full);
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t index) {
    const bool half = index % 2 == 0;
    const connection mine = unconnected();
    const unsigned limit = 1;
    mysql_options(mine.get(), MYSQL_OPT_CONNECT_TIMEOUT, &limit);
    expect(mysql_real_connect(mine.get(), "127.0.0.1", "csp", "", nullptr,
                              static_cast<unsigned>((half ? silent : full).port()), nullptr, 0) == nullptr,
           "no connection");
    const std::string text = mysql_error(mine.get());
    if (half) {
      expect(is_lost(mine), text.c_str());
    } else {
      expect(mysql_errno(mine.get()) == CR_CONNECTION_ERROR, text.c_str());
      expect(text.ends_with("(" + std::to_string(ETIMEDOUT) + ")"), text.c_str());
    }
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 1s);
}

}  // namespace

TEST_CASE("mariadb: many clients at once, each answer exact") {
  if (const auto to = csp_test::start_mariadb()) {
    for (const carrier by : csp_test::all_carriers) {
      check_work(*to, by, by.threads() ? 20 : 200);
    }
  }
}

TEST_CASE("mariadb: sleeps on the server overlap") {
  if (const auto to = csp_test::start_mariadb()) {
    for (const carrier by : csp_test::narrow_carriers) {
      check_overlap(*to, by);
      check_slow_answer(*to, by);
    }
  }
}

TEST_CASE("mariadb: a server that is killed gives each client libmariadb's own error") {
  for (const carrier by : csp_test::all_carriers) {
    if (const auto to = csp_test::start_mariadb()) {
      check_killed(*to, by);
    }
  }
}

TEST_CASE("mariadb: a black hole is left on time") {
  for (const carrier by : csp_test::narrow_carriers) {
    check_black_hole(by);
  }
}
