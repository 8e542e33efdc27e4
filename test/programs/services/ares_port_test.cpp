// examples/callbacks/ares_*: c-ares against dnsmasq.
#include "test/programs/services/port_test.h"
#include "test/support/servers/kinds.h"

#include <string>

TEST_CASE("names and back, by callbacks and by channels") {
  if (!csp_test::is_built("ares_callbacks")) return;
  const auto dns = csp_test::start_dnsmasq();
  if (dns == nullptr) return;
  std::string names = std::to_string(dns->port());
  std::string lines;
  for (int i = 0; i < csp_test::dnsmasq_hosts; ++i) {
    const std::string number = std::to_string(i);
    names += " host" + number + ".test";
    lines += "host" + number + ".test 10.0.0." + number + " host" + number + ".test\n";
  }
  names += " nameless.test missing.test";
  lines += "nameless.test 10.0.1.1 Domain name not found\nmissing.test: Domain name not found\n";
  csp_test::check_port("ares", names, lines, 0);
  csp_test::check_port("ares", std::to_string(dns->port()), "", 0);

  // Nobody answers any more: c-ares tries again and gives up, by its timers or because the port is closed.
  dns->kill();
  csp_test::check_port("ares", std::to_string(dns->port()) + " host1.test host2.test",
                       "host1.test: Could not contact DNS servers\nhost2.test: Could not contact DNS servers\n", 0);
}
