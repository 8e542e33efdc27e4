// echo_client: the load of one echo row against a server that runs, and one JSON object with what it found.
//
//   echo_client --port N --connections N --outstanding N [--server PID] (--messages N | --seconds F [--warm-up F])
//
// bench/run starts it, on a core of its own. Exit status 1 when an answer was wrong or missing, 2 for bad arguments.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string_view>

#include "bench/net/load.h"

namespace {

using bench::net::load_plan;

template <class Number>
bool parse(std::string_view text, Number least, Number& out) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out >= least;
}

bool parse_seconds(std::string_view text, std::chrono::nanoseconds& out) {
  double seconds = 0;
  if (!parse(text, 0.0, seconds) || seconds > 3600) return false;
  out = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds));
  return true;
}

bool read_option(std::string_view name, std::string_view value, load_plan& plan) {
  if (name == "--port") return parse<std::uint16_t>(value, 1, plan.port);
  if (name == "--connections") return parse(value, 1, plan.connections);
  if (name == "--outstanding")
    return parse(value, 1, plan.outstanding) && plan.outstanding <= bench::net::max_outstanding;
  if (name == "--messages") return parse<std::int64_t>(value, 1, plan.messages_each);
  if (name == "--seconds") return parse_seconds(value, plan.window);
  if (name == "--warm-up") return parse_seconds(value, plan.warm_up);
  if (name == "--server") return parse<pid_t>(value, 1, plan.server);
  return false;
}

bool read_arguments(std::span<char*> words, load_plan& plan) {
  for (std::size_t i = 0; i < words.size(); i += 2) {
    if (i + 1 == words.size() || !read_option(words[i], words[i + 1], plan)) {
      std::fprintf(stderr, "echo_client: bad argument: %s\n", words[i]);
      return false;
    }
  }
  const bool by_time = plan.window.count() > 0;
  if (plan.port == 0 || by_time == (plan.messages_each > 0)) {
    std::fprintf(stderr, "echo_client: --port, and one of --messages and --seconds\n");
    return false;
  }
  return true;
}

double milliseconds(std::chrono::nanoseconds d) { return std::chrono::duration<double, std::milli>(d).count(); }
double microseconds(std::chrono::nanoseconds d) { return std::chrono::duration<double, std::micro>(d).count(); }

void print(const bench::net::load_result& r) {
  const auto requests = static_cast<double>(r.requests);
  const auto quantile = [&](double q) { return microseconds(r.latency.quantile(q)); };
  std::printf("{\"ops\":%lld,\"wall_ms\":%.3f,\"cpu_ms\":%.3f,", static_cast<long long>(r.requests),
              milliseconds(r.wall), milliseconds(r.server_cpu));
  std::printf("\"requests_per_s\":%.1f,\"cpu_ns_per_op\":%.1f,", requests / milliseconds(r.wall) * 1000,
              static_cast<double>(r.server_cpu.count()) / requests);
  std::printf("\"p50_us\":%.1f,\"p99_us\":%.1f,\"p99.9_us\":%.1f,\"max_us\":%.1f,\"least_share\":%.3f}\n",
              quantile(0.5), quantile(0.99), quantile(0.999), quantile(1), r.least_share);
}

}  // namespace

int main(int argc, char** argv) {
  load_plan plan;
  if (!read_arguments(std::span(argv, static_cast<std::size_t>(argc)).subspan(1), plan)) return 2;
  try {
    const bench::net::load_result result = bench::net::run_load(plan);
    if (result.requests == 0) {
      std::fprintf(stderr, "echo_client: no answer in the measured time\n");
      return 1;
    }
    print(result);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "echo_client: %s\n", e.what());
    return 1;
  }
  return 0;
}
