#include "test/programs/clients/tls_client.h"

#include <arpa/inet.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>

namespace csp_test {
namespace {

constexpr char address_text[] = "127.0.0.1";

}  // namespace

tls_context make_context(const std::string& authority) {
  tls_context made(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_verify(made.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(made.get(), SSL_MODE_AUTO_RETRY);
  if (!authority.empty() && SSL_CTX_load_verify_file(made.get(), authority.c_str()) != 1) {
    throw std::runtime_error(authority + " is not a certificate");
  }
  return made;
}

unsigned long take_error() {
  const unsigned long first = ERR_get_error();
  ERR_clear_error();
  return first;
}

int connect_socket(int port, int wait_limit_ms, bool& connected) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<in_port_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{wait_limit_ms / 1000, wait_limit_ms % 1000 * 1000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  connected = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  return fd;
}

tls_client::tls_client(SSL_CTX& context, int port, tls_entry entry, int wait_limit_ms) {
  ERR_clear_error();
  if (entry == tls_entry::bio_connect) {
    connect_by_bio(context, port);
  } else {
    connect_by_socket(context, port, wait_limit_ms);
  }
}

void tls_client::connect_by_bio(SSL_CTX& context, int port) {
  chain_.reset(BIO_new(BIO_f_buffer()));
  BIO* const secured = BIO_new_ssl_connect(&context);
  BIO_push(chain_.get(), secured);
  BIO_get_ssl(secured, &ssl_);
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), address_text);
  std::string where = address_text + (":" + std::to_string(port));
  BIO_ctrl(secured, BIO_C_SET_CONNECT, 0, where.data());          // what BIO_set_conn_hostname() casts to
  const auto result = static_cast<int>(BIO_do_connect(secured));  // of the ssl BIO: shakes hands as well
  connected_ = result == 1 || failed(result);
}

void tls_client::connect_by_socket(SSL_CTX& context, int port, int wait_limit_ms) {
  bool through = false;
  const int fd = connect_socket(port, wait_limit_ms, through);
  error_number_ = errno;
  chain_.reset(BIO_new(BIO_f_buffer()));
  BIO* const secured = BIO_new_ssl(&context, 1);
  BIO_push(chain_.get(), secured);
  BIO_push(secured, BIO_new_socket(fd, BIO_CLOSE));
  BIO_get_ssl(secured, &ssl_);
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), address_text);
  if (!through) {
    error_ = SSL_ERROR_SYSCALL;
    return;
  }
  const int result = SSL_connect(ssl_);
  connected_ = result == 1 || failed(result);
}

bool tls_client::failed(int result) {
  error_number_ = errno;
  error_ = SSL_get_error(ssl_, result);
  error_code_ = take_error();
  return false;
}

std::string tls_client::error_text() const {
  std::array<char, 256> text{};
  ERR_error_string_n(error_code_, text.data(), text.size());
  return "SSL_get_error " + std::to_string(error_) + ", " + text.data() + ", errno " + std::to_string(error_number_);
}

bool tls_client::get(const std::string& path) { return ask(path) && read_body(); }

bool tls_client::ask(const std::string& path) {
  ERR_clear_error();
  status_ = 0;
  length_ = 0;
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const int written = BIO_write(chain_.get(), request.data(), static_cast<int>(request.size()));
  if (written != static_cast<int>(request.size()) || BIO_flush(chain_.get()) != 1) {
    return failed(-1);
  }
  std::string line;
  while (read_line(line)) {
    if (line == "\r\n") {
      return true;
    }
    if (line.starts_with("HTTP/1.1 ")) {
      status_ = std::atoi(line.c_str() + 9);
    } else if (line.starts_with("Content-Length: ")) {
      length_ = static_cast<std::size_t>(std::atol(line.c_str() + 16));
    }
  }
  return false;
}

bool tls_client::read_line(std::string& line) {
  std::array<char, 1024> text{};
  const int result = BIO_gets(chain_.get(), text.data(), static_cast<int>(text.size()));
  line = text.data();
  return result > 0 || failed(result);
}

bool tls_client::read_body() {
  body_.resize(length_);
  for (std::size_t done = 0; done < length_;) {
    const int result = BIO_read(chain_.get(), body_.data() + done, static_cast<int>(length_ - done));
    if (result <= 0) {
      return failed(result);
    }
    done += static_cast<std::size_t>(result);
  }
  return true;
}

}  // namespace csp_test
