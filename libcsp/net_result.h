// What operations of csp::net come to; include <libcsp/net.h>.
#pragma once

#include "sched/base/config.h"
#include "sched/base/fatal.h"

#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace csp::inline v0::net {

/// A value, or a std::error_code that says why there is none. Errors of the system are in std::generic_category, so
/// they compare with std::errc. Functions without a value return a std::error_code itself.
template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;

  result(T value) noexcept(std::is_nothrow_move_constructible_v<T>)  // NOLINT(google-explicit-constructor)
      : value_(std::move(value)) {}
  /// `error` must not be zero.
  result(std::error_code error) noexcept : error_(error) {  // NOLINT(google-explicit-constructor)
    detail::require(static_cast<bool>(error), "a csp::net::result was made of an error that is none");
  }

  /// True when there is a value.
  [[nodiscard]] explicit operator bool() const noexcept { return value_.has_value(); }
  [[nodiscard]] bool has_value() const noexcept { return value_.has_value(); }

  /// The value. Ends the program when there is none.
  [[nodiscard]] T& operator*() & noexcept { return checked(); }
  [[nodiscard]] const T& operator*() const& noexcept { return const_cast<result*>(this)->checked(); }
  [[nodiscard]] T&& operator*() && noexcept { return std::move(checked()); }
  [[nodiscard]] T* operator->() noexcept { return &checked(); }
  [[nodiscard]] const T* operator->() const noexcept { return &const_cast<result*>(this)->checked(); }

  /// The value. \throws std::system_error when there is none
  T& value() & {
    throw_if_error();
    return *value_;
  }
  const T& value() const& {
    throw_if_error();
    return *value_;
  }
  T&& value() && {
    throw_if_error();
    return std::move(*value_);
  }
  /// The value, or `other`.
  template <class Other>
  [[nodiscard]] T value_or(Other&& other) const& {
    return value_.has_value() ? *value_ : static_cast<T>(std::forward<Other>(other));
  }

  /// Why there is no value; zero when there is one.
  [[nodiscard]] std::error_code error() const noexcept { return error_; }

 private:
  [[nodiscard]] T& checked() noexcept {
    detail::require(value_.has_value(), "the value of a csp::net::result was used that holds an error");
    return *value_;
  }
  void throw_if_error() const {
    if (!value_.has_value()) {
      throw std::system_error(error_);
    }
  }

  std::optional<T> value_;
  std::error_code error_;
};

/// Errors of csp::net's own.
enum class errc {
  end_of_stream = 1,  ///< the peer ended the stream before all that was asked for had come
};

/// The category of errc.
[[nodiscard]] CSP_API const std::error_category& category() noexcept;
/// The category of look-ups: getaddrinfo(3)'s EAI_ values.
[[nodiscard]] CSP_API const std::error_category& resolver_category() noexcept;

[[nodiscard]] inline std::error_code make_error_code(errc value) noexcept {
  return {static_cast<int>(value), category()};
}

}  // namespace csp::inline v0::net

template <>
struct std::is_error_code_enum<csp::net::errc> : std::true_type {};
