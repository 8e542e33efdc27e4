// A client of nginx in plain blocking OpenSSL, as s_client is one: a BIO chain, HTTP/1.1 on it by hand.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace csp_test {

struct openssl_closer {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(BIO* chain) const { BIO_free_all(chain); }
};
using tls_context = std::unique_ptr<SSL_CTX, openssl_closer>;
using bio_chain = std::unique_ptr<BIO, openssl_closer>;

/// What a client trusts: the certificate in a file, or nothing when the path is empty. Can be shared by all clients.
tls_context make_context(const std::string& authority);

/// The first error of the calling thread's queue, which is emptied; 0: there was none.
unsigned long take_error();

/// A socket that is connected to a port of 127.0.0.1, or is not: then errno tells why. `wait_limit_ms`: of each read
/// and write on it and of the connection, by SO_RCVTIMEO and SO_SNDTIMEO; 0: none.
int connect_socket(int port, int wait_limit_ms, bool& connected);

/// How a client makes its connection.
enum class tls_entry {
  bio_connect,  ///< BIO_new_ssl_connect: OpenSSL makes the socket
  own_socket,   ///< socket(2) and connect(2) of our own, given to OpenSSL
};

/// One connection. For one task or thread; no member leaves anything in the error queue but where it says so.
class tls_client {
 public:
  /// Connects to 127.0.0.1 and shakes hands; what came of it is told by error(). `wait_limit_ms`, for own_socket: as of
  /// connect_socket.
  tls_client(SSL_CTX& context, int port, tls_entry entry, int wait_limit_ms = 0);

  [[nodiscard]] bool connected() const noexcept { return connected_; }
  /// Asks for a path and reads the whole answer; false when the connection fails, see error().
  bool get(const std::string& path);
  /// The same in two steps. ask() also reads the head of the answer.
  bool ask(const std::string& path);
  bool read_body();
  [[nodiscard]] const std::string& body() const noexcept { return body_; }
  [[nodiscard]] int status() const noexcept { return status_; }

  /// SSL_get_error of the last call that failed, or SSL_ERROR_NONE.
  [[nodiscard]] int error() const noexcept { return error_; }
  /// The first code of the error queue then, and errno.
  [[nodiscard]] unsigned long error_code() const noexcept { return error_code_; }
  [[nodiscard]] int error_number() const noexcept { return error_number_; }
  [[nodiscard]] std::string error_text() const;

  /// For those who call OpenSSL themselves.
  [[nodiscard]] SSL& ssl() const noexcept { return *ssl_; }

 private:
  void connect_by_bio(SSL_CTX& context, int port);
  void connect_by_socket(SSL_CTX& context, int port, int wait_limit_ms);
  /// Notes why a call with this result failed, before anything else can change it. False.
  bool failed(int result);
  bool read_line(std::string& line);

  bio_chain chain_;  // buffer, ssl, socket
  SSL* ssl_ = nullptr;
  bool connected_ = false;
  std::size_t length_ = 0;
  int status_ = 0;
  std::string body_;
  int error_ = SSL_ERROR_NONE;
  unsigned long error_code_ = 0;
  int error_number_ = 0;
};

}  // namespace csp_test
