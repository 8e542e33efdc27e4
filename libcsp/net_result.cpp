#include <libcsp/net_result.h>

#include <netdb.h>
#include <string>

namespace csp::inline v0::net {
namespace {

class net_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "csp.net"; }
  [[nodiscard]] std::string message(int value) const override {
    return value == static_cast<int>(errc::end_of_stream) ? "unexpected end of stream" : "unknown error";
  }
};

class look_up_category final : public std::error_category {
 public:
  [[nodiscard]] const char* name() const noexcept override { return "csp.resolver"; }
  [[nodiscard]] std::string message(int value) const override { return gai_strerror(value); }
};

}  // namespace

const std::error_category& category() noexcept {
  // Never destroyed: an error may be printed while static objects go.
  // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): a few bytes at the first error, and nobody could go on
  static const auto* const instance = new net_category;
  return *instance;
}

const std::error_category& resolver_category() noexcept {
  // NOLINTNEXTLINE(bugprone-unhandled-exception-at-new): a few bytes at the first error, and nobody could go on
  static const auto* const instance = new look_up_category;
  return *instance;
}

}  // namespace csp::inline v0::net
