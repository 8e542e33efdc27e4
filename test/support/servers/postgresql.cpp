#include "test/support/servers/installed.h"
#include "test/support/servers/kinds.h"

#include <csignal>

namespace csp_test {
namespace {

// Its shared memory is in files of its folder, but for one small System V segment that is the postmaster's lock; an
// orderly end removes it.
constexpr char settings[] = R"(
listen_addresses = '127.0.0.1'
max_connections = 300
shared_buffers = 4MB
dynamic_shared_memory_type = mmap
huge_pages = off
fsync = off
synchronous_commit = off
full_page_writes = off
max_wal_senders = 0
wal_level = minimal
autovacuum = off
)";

/// The seventh line of the lock file is the segment's key and number.
constexpr char remove_segment[] =
    R"(segment=$(sed -n '7s/.* //p' data/postmaster.pid) && [ -n "$segment" ] && ipcrm -m "$segment")";

}  // namespace

std::unique_ptr<server> start_postgresql() {
  // Debian keeps several versions side by side.
  const auto found = installed("postgresql", {"/usr/lib/postgresql/*/bin", "/usr/bin", "/usr/local/pgsql/bin"},
                               {"postgres", "initdb", "pg_isready"});
  if (found.empty()) {
    return nullptr;
  }
  server_plan plan;
  plan.name = "postgresql";
  plan.prepare = [=](server& self) {
    self.write("password", "secret\n");
    self.run({found[1], "--pgdata=data", "--auth=scram-sha-256", "--username=csp", "--pwfile=password", "--no-sync",
              "--encoding=UTF8", "--locale=C", "--no-instructions"});
    self.write("settings", settings + ("unix_socket_directories = '" + self.folder() + "'\n"));
    self.run({"/bin/sh", "-c", "cat settings >>data/postgresql.conf"});
  };
  plan.serve = [=](server& self) { return command{found[0], "-D", "data", "-p", std::to_string(self.port())}; };
  plan.ready = [=](server& self) {
    return self.try_run({found[2], "--quiet", "--host=" + self.folder(), "--port=" + std::to_string(self.port())});
  };
  plan.stop_signal = SIGQUIT;  // ends at once, without writing out what is thrown away anyway
  plan.cleanup = remove_segment;
  return std::make_unique<server>(plan);
}

}  // namespace csp_test
