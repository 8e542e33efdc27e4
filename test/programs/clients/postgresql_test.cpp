// libpq, as Debian ships it, against PostgreSQL: blocking calls in tasks answer, overlap, fail and time out as they do
// in threads.
#include "test/support/crew.h"
#include "test/support/servers/black_hole.h"
#include "test/support/servers/kinds.h"

#include <libpq-fe.h>

#include <poll.h>

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
  void operator()(PGconn* connection) const { PQfinish(connection); }
  void operator()(PGresult* result) const { PQclear(result); }
};
using connection = std::unique_ptr<PGconn, closer>;
using result = std::unique_ptr<PGresult, closer>;

/// Even clients come by TCP, odd ones by the unix socket.
connection try_connect(const server& to, std::size_t index) {
  const std::string host = index % 2 == 0 ? "127.0.0.1" : to.folder();
  const std::string where = "host=" + host + " port=" + std::to_string(to.port());
  return connection(PQconnectdb((where + " user=csp password=secret dbname=postgres").c_str()));
}

connection connect(const server& to, std::size_t index) {
  connection made = try_connect(to, index);
  if (PQstatus(made.get()) != CONNECTION_OK) {
    throw std::runtime_error(PQerrorMessage(made.get()));
  }
  PQsetNoticeProcessor(
      made.get(), [](void*, const char*) {}, nullptr);
  return made;
}

result query(const connection& by, const std::string& text) { return result(PQexec(by.get(), text.c_str())); }

/// The only value of a result, or the error's text.
std::string value(const result& from) {
  return PQresultStatus(from.get()) == PGRES_TUPLES_OK && PQntuples(from.get()) == 1 ? PQgetvalue(from.get(), 0, 0)
                                                                                     : PQresultErrorMessage(from.get());
}

bool done(const result& of) { return PQresultStatus(of.get()) == PGRES_COMMAND_OK; }

void with_parameters(const connection& by, expectations& expect, std::size_t index, int round) {
  const std::string left = std::to_string(index);
  const std::string right = std::to_string(round);
  const char* const parameters[] = {left.c_str(), right.c_str()};
  const result sum(
      PQexecParams(by.get(), "select $1::int * 1000 + $2::int", 2, nullptr, parameters, nullptr, nullptr, 0));
  expect(value(sum) == std::to_string(index * 1000 + static_cast<std::size_t>(round)), "parameters");
  if (round == 0) {
    expect(done(result(PQprepare(by.get(), "twice", "select $1::text || $1::text", 1, nullptr))), "prepare");
  }
  const result text(PQexecPrepared(by.get(), "twice", 1, parameters, nullptr, nullptr, 0));
  expect(value(text) == left + left, "a prepared statement");
}

void many_rows(const connection& by, expectations& expect, std::size_t index) {
  const result rows = query(by, "select n, n * " + std::to_string(index) + " from generate_series(0, 199) n");
  expect(PQntuples(rows.get()) == 200, "200 rows");
  bool same = true;
  for (int i = 0; i < PQntuples(rows.get()); ++i) {
    same = same && PQgetvalue(rows.get(), i, 0) == std::to_string(i) &&
           PQgetvalue(rows.get(), i, 1) == std::to_string(static_cast<std::size_t>(i) * index);
  }
  expect(same, "the rows");
}

void large_value(const connection& by, expectations& expect, std::size_t index) {
  std::string sent;
  while (sent.size() < 100'000) {
    sent += "client " + std::to_string(index) + ' ';
  }
  const char* const parameters[] = {sent.c_str()};
  const result echo(PQexecParams(by.get(), "select $1::text", 1, nullptr, parameters, nullptr, nullptr, 0));
  expect(value(echo) == sent, "100 KB there and back");
}

void transaction(const connection& by, expectations& expect, std::size_t index, int round) {
  const std::string values = "(" + std::to_string(index) + ", " + std::to_string(round) + ")";
  expect(done(query(by, "begin")), "begin");
  expect(done(query(by, "insert into ledger values " + values)), "insert");
  expect(done(query(by, round % 2 == 0 ? "commit" : "rollback")), "the end of a transaction");
}

void server_error(const connection& by, expectations& expect) {
  const result failed = query(by, "selec 1");
  expect(PQresultStatus(failed.get()) == PGRES_FATAL_ERROR, "a syntax error");
  const char* const state = PQresultErrorField(failed.get(), PG_DIAG_SQLSTATE);
  expect(state != nullptr && std::string(state) == "42601", "its code");
  expect(PQstatus(by.get()) == CONNECTION_OK, "the connection survives");
}

void copy_in(const connection& by, expectations& expect) {
  expect(done(query(by, "create temporary table copied (line int)")), "create");
  expect(PQresultStatus(query(by, "copy copied from stdin").get()) == PGRES_COPY_IN, "copy");
  for (int i = 0; i < 1000; ++i) {
    const std::string line = std::to_string(i) + "\n";
    expect(PQputCopyData(by.get(), line.data(), static_cast<int>(line.size())) == 1, "a line");
  }
  expect(PQputCopyEnd(by.get(), nullptr) == 1, "the last line");
  expect(done(result(PQgetResult(by.get()))), "copied");
  expect(PQgetResult(by.get()) == nullptr, "nothing more");
  expect(value(query(by, "select sum(line) from copied")) == "499500", "what was copied");
}

/// libpq's asynchronous calls, waited for by poll.
void by_poll(const connection& by, expectations& expect, std::size_t index) {
  expect(PQsendQuery(by.get(), ("select pg_sleep(0.01), " + std::to_string(index)).c_str()) == 1, "send");
  while (PQisBusy(by.get()) != 0) {
    pollfd readable{PQsocket(by.get()), POLLIN, 0};
    expect(::poll(&readable, 1, 10'000) == 1, "poll");
    expect(PQconsumeInput(by.get()) == 1, "consume");
  }
  const result answer(PQgetResult(by.get()));
  expect(PQntuples(answer.get()) == 1 && PQgetvalue(answer.get(), 0, 1) == std::to_string(index), "after poll");
  expect(PQgetResult(by.get()) == nullptr, "nothing more");
}

constexpr int rounds = 6;

void work(const connection& by, expectations& expect, std::size_t index) {
  for (int round = 0; round < rounds; ++round) {
    with_parameters(by, expect, index, round);
    many_rows(by, expect, index);
    transaction(by, expect, index, round);
  }
  large_value(by, expect, index);
  server_error(by, expect);
  copy_in(by, expect);
  by_poll(by, expect, index);
}

void check_work(const server& to, carrier by, std::size_t count) {
  CAPTURE(by.processors, count);
  const connection own = connect(to, 0);
  REQUIRE(done(query(own, "drop table if exists ledger")));
  REQUIRE(done(query(own, "create unlogged table ledger (client int, round int)")));
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
        expect(value(query(mine, "select count(*) from pg_stat_activity where backend_type = 'client backend'")) ==
                   std::to_string(count + 2),
               "all are connected at once");
        counted.come();
      });
  expect.verify();
  // Every second round was rolled back.
  const std::size_t kept = count * rounds / 2;
  CHECK(value(query(own, "select count(*) from ledger")) == std::to_string(kept));
  CHECK(value(query(own, "select sum(round) from ledger")) == std::to_string(count * (0 + 2 + 4)));
}

void check_overlap(const server& to, carrier by) {
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 50, [&](std::size_t index) {
    const connection mine = connect(to, index);
    expect(value(query(mine, "select pg_sleep(0.2)")).empty(), "a sleep on the server");
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
          expect(PQsendQuery(mine.get(), "select pg_sleep(60)") == 1, "send");
          under_way.come();
          expect(PQresultStatus(result(PQgetResult(mine.get())).get()) == PGRES_FATAL_ERROR, "the sleep fails");
        } else {
          for (int i = 0; value(query(mine, "select 1")) == "1"; ++i) {
            if (i == 10) {
              under_way.come();
            }
          }
        }
        expect(PQstatus(mine.get()) == CONNECTION_BAD, "libpq knows that the connection is lost");
        const std::string text = PQerrorMessage(mine.get());
        expect(text.find("closed the connection unexpectedly") != std::string::npos ||
                   text.find("terminating connection") != std::string::npos ||
                   text.find("could not receive data from server") != std::string::npos ||
                   text.find("could not send data to server") != std::string::npos,
               text.c_str());
        dead.wait();
        const connection again = try_connect(to, index);
        expect(PQstatus(again.get()) == CONNECTION_BAD, "a new connection is refused");
        const std::string reason = PQerrorMessage(again.get());
        expect(reason.find("Connection refused") != std::string::npos, reason.c_str());
      },
      [&] {
        under_way.wait();
        to.kill();
        dead.come();
      });
  expect.verify();
}

/// Half of the clients are connected and hear nothing, the others are not even connected.
void check_black_hole(carrier by) {
  const csp_test::black_hole silent(csp_test::black_hole_kind::silent);
  const csp_test::black_hole full(csp_test::black_hole_kind::full);
  CAPTURE(by.processors);
  expectations expect;
  const crew_report report = csp_test::run_crew(expect, by, 20, [&](std::size_t index) {
    const int port = (index % 2 == 0 ? silent : full).port();
    const std::string where = "host=127.0.0.1 user=csp connect_timeout=2 port=" + std::to_string(port);
    const connection mine(PQconnectdb(where.c_str()));
    expect(PQstatus(mine.get()) == CONNECTION_BAD, "no connection");
    const std::string text = PQerrorMessage(mine.get());
    expect(text.find("timeout expired") != std::string::npos, text.c_str());
  });
  expect.verify();
  csp_test::check_overlapped(report, 20, 1s);  // libpq counts whole seconds of the clock
}

}  // namespace

TEST_CASE("postgresql: many clients at once, each answer exact") {
  if (const auto to = csp_test::start_postgresql()) {
    for (const carrier by : csp_test::all_carriers) {
      check_work(*to, by, by.threads() ? 20 : 200);
    }
  }
}

TEST_CASE("postgresql: sleeps on the server overlap") {
  if (const auto to = csp_test::start_postgresql()) {
    for (const carrier by : csp_test::narrow_carriers) {
      check_overlap(*to, by);
    }
  }
}

TEST_CASE("postgresql: a server that is killed gives each client libpq's own error") {
  for (const carrier by : csp_test::all_carriers) {
    if (const auto to = csp_test::start_postgresql()) {
      check_killed(*to, by);
    }
  }
}

TEST_CASE("postgresql: a black hole is left on time") {
  for (const carrier by : csp_test::narrow_carriers) {
    check_black_hole(by);
  }
}
