// examples/callbacks/redis_*: hiredis against Redis.
#include "test/programs/services/port_test.h"
#include "test/support/plain_client.h"
#include "test/support/servers/kinds.h"

#include <string>

TEST_CASE("tickets, by callbacks and by channels") {
  if (!csp_test::is_built("redis_callbacks")) return;
  const auto redis = csp_test::start_redis();
  if (redis == nullptr) return;
  std::string customers = std::to_string(redis->port());
  std::string lines;
  constexpr int count = 200;
  for (int i = 0; i < count; ++i) {
    customers += " customer" + std::to_string(i);
    lines += "customer" + std::to_string(i) + ": has a ticket\n";
  }
  csp_test::check_port("redis", customers, lines + "numbers up to 200, 200 sales heard\n", 0);
  csp_test::check_port("redis", std::to_string(redis->port()), "numbers up to 0, 0 sales heard\n", 0);

  // What Redis refuses is each customer's own trouble.
  const csp_test::plain_client admin(redis->port());
  admin.send("CONFIG SET maxmemory 1\r\n");
  CHECK(admin.receive_until("\r\n") == "+OK\r\n");
  const std::string refused = ": OOM command not allowed when used memory > 'maxmemory'.\n";
  csp_test::check_port("redis", std::to_string(redis->port()) + " a b",
                       "a" + refused + "b" + refused + "numbers up to 0, 0 sales heard\n", 0);
  redis->kill();
  csp_test::check_port("redis", std::to_string(redis->port()) + " a b", "the connection was lost\n", 256);
}
