// Name look-up: getaddrinfo(3) on a thread of the pool for calls that may wait for another party.
#include <libcsp/chan.h>
#include <libcsp/go.h>
#include <libcsp/net_address.h>

#include "netio/network.h"
#include "netio/outcome.h"
#include "netio/real.h"
#include "sched/park.h"
#include "sched/scheduler_core.h"

#include <netdb.h>
#include <netinet/in.h>
#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>

namespace csp::inline v0::net {
namespace {

using addresses = std::vector<address>;

/// A port as a number.
[[nodiscard]] std::optional<std::uint16_t> numeric_port(std::string_view text) noexcept {
  std::uint16_t port = 0;
  const auto [stop, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = failure == std::errc{} && stop == text.data() + text.size();
  return whole ? std::optional(port) : std::nullopt;
}

[[nodiscard]] result<addresses> ask_the_system(const std::string& host, const std::string& service) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;  // else each address comes three times
  addrinfo* list = nullptr;
  const int failure = detail::real::getaddrinfo(host.empty() ? nullptr : host.c_str(), service.c_str(), &hints, &list);
  if (failure == EAI_SYSTEM) {
    return detail::error_in(-detail::last_errno());
  }
  if (failure != 0) {
    return std::error_code(failure, resolver_category());
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  addresses found;
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    const auto made = address::from_native(each->ai_addr, each->ai_addrlen);
    if (made && std::find(found.begin(), found.end(), *made) == found.end()) {
      found.push_back(*made);
    }
  }
  if (found.empty()) {
    return std::error_code(EAI_NONAME, resolver_category());
  }
  return found;
}

/// Runs the look-up on a pool's thread while the calling task waits, whatever happens.
[[nodiscard]] result<addresses> ask_on_thread(const std::string& host, const std::string& service) {
  struct question : detail::blocking_call {
    const std::string& host;
    const std::string& service;
    std::optional<result<addresses>> answer;
    question(const std::string& h, const std::string& s) : host(h), service(s) {}
  } asked(host, service);
  asked.run = [](detail::blocking_call& self) noexcept {
    auto& here = static_cast<question&>(self);
    try {
      here.answer.emplace(ask_the_system(here.host, here.service));
    } catch (...) {
      here.answer.emplace(std::make_error_code(std::errc::not_enough_memory));
    }
  };
  try {
    detail::this_processor()->core().lingering.submit(asked);
  } catch (const std::system_error& failure) {  // no thread can be made
    return failure.code();
  }
  static_cast<void>(asked.end.wait(detail::wait_kind::blocking, false));
  return std::move(*asked.answer);
}

/// Asks in a task of its own, which may go on when we have left.
[[nodiscard]] result<addresses> ask_in_background(std::string host, std::string service,
                                                  std::chrono::steady_clock::time_point deadline) {
  const chan<std::shared_ptr<result<addresses>>> answers(1);
  go(task_options{"csp-resolve", 0, false}, [answers, host = std::move(host), service = std::move(service)] {
    answers.send(std::make_shared<result<addresses>>(ask_on_thread(host, service)));
  });
  std::shared_ptr<result<addresses>> answer;
  switch (answers.recv_until(answer, deadline)) {
    case op_status::ok:
      return std::move(*answer);
    case op_status::canceled:
      throw canceled();
    default:
      return std::make_error_code(std::errc::timed_out);
  }
}

/// In a simulation: what its network was told of the name (csp::testing::network::name).
[[nodiscard]] result<addresses> ask_the_simulation(std::string_view host, std::string_view service) {
  const auto port = numeric_port(service);
  if (port && (host.empty() || host == "localhost")) {
    return addresses{*address::parse("::1", *port), *address::parse("127.0.0.1", *port)};
  }
  const detail::network* const net = detail::network_of_caller();
  const std::vector<sockaddr_storage>* const known = port && net != nullptr ? net->look_up(host) : nullptr;
  if (known == nullptr) {
    static_cast<void>(detail::refuse_in_simulation("a look-up of '" + std::string(host) + "', service '" +
                                                   std::string(service) + "'"));
    return std::make_error_code(std::errc::not_supported);
  }
  if (known->empty()) {
    return std::error_code(EAI_NONAME, resolver_category());
  }
  addresses found;
  for (const sockaddr_storage& each : *known) {
    found.push_back(address::from_native(reinterpret_cast<const sockaddr*>(&each), sizeof each)->with_port(*port));
  }
  return found;
}

}  // namespace

result<addresses> resolve(std::string_view host, std::string_view service,
                          std::chrono::steady_clock::time_point deadline) {
  detail::processor* const here = detail::this_processor();
  detail::cancellation_point(here);
  if (const auto port = numeric_port(service)) {
    const auto numeric = address::parse(host, *port);
    if (numeric) {
      return addresses{*numeric};
    }
  }
  if (host.find('\0') != std::string_view::npos || service.find('\0') != std::string_view::npos) {
    return std::error_code(EAI_NONAME, resolver_category());
  }
  if (detail::to_nanos(deadline) <= detail::current_time()) {
    return std::make_error_code(std::errc::timed_out);
  }
  if (here != nullptr && here->is_simulated()) {
    return ask_the_simulation(host, service);
  }
  if (here == nullptr) {
    return ask_the_system(std::string(host), std::string(service));
  }
  return ask_in_background(std::string(host), std::string(service), deadline);
}

result<addresses> resolve(std::string_view host, std::uint16_t port, std::chrono::steady_clock::time_point deadline) {
  return resolve(host, std::to_string(port), deadline);
}

}  // namespace csp::inline v0::net
