#include "test/support/servers/installed.h"
#include "test/support/servers/kinds.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdint>

namespace csp_test {
namespace {

// One process, so that killing it kills all there is. The paths are relative to the folder.
//
// /slow: after each chunk of 2,000 bytes nginx waits for as long as the rate demands, 0.2 s; it sends two.
constexpr char settings[] = R"(
daemon off;
master_process off;
pid pid;
error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server {{
    listen 127.0.0.1:{port} {ssl} backlog=512;
    listen unix:{folder}/socket;
    {certificate}
    root {folder}/root;
    location = /slow {{ sendfile off; limit_rate 10000; sendfile_max_chunk 2000; }}
    location = /stuck {{ limit_rate_after 5000; limit_rate 1; }}
    location = /status {{ stub_status; }}
    location /kept/ {{ dav_methods PUT; client_max_body_size 10m; }}
  }}
}}
)";

void write_files(server& self) {
  self.run({"/bin/mkdir", "-p", "root/files", "root/kept"});
  for (const std::size_t size : nginx_sizes) {
    self.write("root/files/" + std::to_string(size), nginx_file(size));
  }
  self.write("root/slow", nginx_file(nginx_slow_size));
  self.write("root/stuck", nginx_file(1'000'000));
}

}  // namespace

std::string nginx_file(std::size_t size) {
  std::string result(size, '\0');
  std::uint32_t state = 1;
  for (char& byte : result) {
    state = state * 1'664'525 + 1'013'904'223;  // Numerical Recipes' generator
    byte = static_cast<char>(state >> 24);
  }
  return result;
}

std::unique_ptr<server> start_nginx(transport by) {
  const auto found = installed("nginx", usual_folders, {"nginx"});
  const auto tool = installed("openssl", usual_folders, {"openssl"});
  if (found.empty() || tool.empty()) {
    return nullptr;
  }
  server_plan plan;
  plan.name = "nginx";
  plan.prepare = [=](server& self) {
    write_files(self);
    if (by == transport::tls) {
      self.run({tool[0], "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout",
                "key.pem", "-out", "certificate.pem"});
    }
  };
  plan.serve = [=](server& self) {
    const bool tls = by == transport::tls;
    const std::string certificate =
        tls ? fmt::format("ssl_certificate {0}/certificate.pem; ssl_certificate_key {0}/key.pem;", self.folder()) : "";
    self.write("nginx.conf", fmt::format(settings, fmt::arg("port", self.port()), fmt::arg("ssl", tls ? "ssl" : ""),
                                         fmt::arg("folder", self.folder()), fmt::arg("certificate", certificate)));
    return command{found[0], "-e", "stderr", "-p", self.folder(), "-c", self.folder() + "/nginx.conf"};
  };
  plan.ready = [](server& self) { return self.listens_on("socket"); };
  plan.stop_signal = SIGTERM;
  return std::make_unique<server>(plan);
}

}  // namespace csp_test
