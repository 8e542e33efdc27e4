#include "test/support/servers/installed.h"
#include "test/support/servers/kinds.h"

#include <csignal>

namespace csp_test {
namespace {

constexpr char first_statements[] = R"(
CREATE DATABASE IF NOT EXISTS test;
CREATE OR REPLACE USER csp IDENTIFIED BY 'secret';
GRANT ALL ON *.* TO csp;
)";

}  // namespace

std::unique_ptr<server> start_mariadb() {
  const auto found = installed("mariadb-server", usual_folders, {"mariadbd", "mariadb-install-db"});
  if (found.empty()) {
    return nullptr;
  }
  server_plan plan;
  plan.name = "mariadb";
  plan.prepare = [=](server& self) {
    self.write("first.sql", first_statements);
    self.run({found[1], "--no-defaults", "--datadir=" + self.folder() + "/data",
              "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"});
    // Accounts without a name would be preferred to `csp` when it comes from this machine.
    self.run(
        {"/bin/sh", "-c", R"(echo "DELETE FROM mysql.global_priv WHERE User = ''; FLUSH PRIVILEGES;" >>first.sql)"});
  };
  plan.serve = [=](server& self) {
    return command{found[0],
                   "--no-defaults",
                   "--datadir=" + self.folder() + "/data",
                   "--tmpdir=" + self.folder(),
                   "--pid-file=" + self.folder() + "/pid",
                   "--socket=" + self.folder() + "/socket",
                   "--init-file=" + self.folder() + "/first.sql",
                   "--bind-address=127.0.0.1",
                   "--port=" + std::to_string(self.port()),
                   "--max-connections=300",
                   "--back-log=300",
                   "--skip-name-resolve",
                   "--skip-log-bin",
                   "--performance-schema=off",
                   "--innodb-buffer-pool-size=16M",
                   "--innodb-log-file-size=4M",
                   "--innodb-flush-method=nosync",
                   "--innodb-flush-log-at-trx-commit=0",
                   "--aria-pagecache-buffer-size=1M",
                   "--key-buffer-size=1M"};
  };
  // Who connects while it starts is served as soon as it has started.
  plan.ready = [](server& self) { return self.listens_on("socket"); };
  plan.stop_signal = SIGKILL;  // an orderly end waits for statements that sleep; the data are thrown away anyway
  return std::make_unique<server>(plan);
}

}  // namespace csp_test
