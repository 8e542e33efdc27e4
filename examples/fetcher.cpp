// fetcher: gets many pages by plain HTTP, a few at a time, and no longer than a deadline allows.
//
//   fetcher AT_ONCE SECONDS URL...      prints a line for each, in the order in which they were given:
//   200 1256 9c2f...e1 http://...       status, size and hash (FNV-1a, 64 bits) of the body
//   failed http://...: Connection refused
//
// Teaches: bounded parallelism by workers that share one channel of jobs; one deadline for everything, look-up, connect
// and transfer; results on a channel, put into order by their one receiver. Exit status 0 when all were fetched.

#include <libcsp/csp.h>

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace {

namespace net = csp::net;

struct url {
  std::string text;
  std::string host;
  std::string port = "80";
  std::string path = "/";
};

struct outcome {
  std::size_t index = 0;  // of its URL
  bool fetched = false;
  std::string line;
};

// http://host[:port][/path]
url parse_url(const std::string& text) {
  constexpr std::string_view scheme = "http://";
  if (!text.starts_with(scheme)) {
    throw std::invalid_argument(text + ": not an http:// URL");
  }
  url result;
  result.text = text;
  const auto slash = text.find('/', scheme.size());
  result.host = text.substr(scheme.size(), slash - scheme.size());
  if (slash != std::string::npos) {
    result.path = text.substr(slash);
  }
  if (const auto colon = result.host.find(':'); colon != std::string::npos) {
    result.port = result.host.substr(colon + 1);
    result.host.resize(colon);
  }
  return result;
}

std::uint64_t hash(std::string_view text) {
  std::uint64_t state = 0xcbf2'9ce4'8422'2325;
  for (const char c : text) {
    state = (state ^ static_cast<unsigned char>(c)) * 0x100'0000'01b3;
  }
  return state;
}

// The length that the head of an answer promises; npos when it promises none.
std::size_t promised_length(std::string_view head) {
  constexpr std::string_view name = "\r\nContent-Length: ";
  std::size_t length = std::string_view::npos;
  if (const auto at = head.find(name); at != std::string_view::npos) {
    std::from_chars(head.data() + at + name.size(), head.data() + head.size(), length);
  }
  return length;
}

// "status size hash" of a whole answer, the form of the line that is printed.
std::string summary(std::string_view answer) {
  const auto end = answer.find("\r\n\r\n");
  if (!answer.starts_with("HTTP/1.") || end == std::string_view::npos || end < 12) {
    throw std::runtime_error("not an HTTP answer");
  }
  const std::string_view head = answer.substr(0, end + 2);
  const std::string_view body = answer.substr(end + 4);
  if (const std::size_t length = promised_length(head); length != std::string_view::npos && length != body.size()) {
    throw std::runtime_error("the answer is cut off");
  }
  return fmt::format("{} {} {:016x}", head.substr(9, 3), body.size(), hash(body));
}

// Everything that has to do with one URL, in the order in which it happens. HTTP/1.0: the server ends the connection
// after the answer and does not cut it into chunks.
std::string fetch(const url& from, csp::clock::time_point deadline) {
  net::stream stream = net::connect(from.host, from.port, {.deadline = deadline}).value();
  stream.set_deadline(deadline);
  if (const std::error_code error =
          stream.write_all(fmt::format("GET {} HTTP/1.0\r\nHost: {}:{}\r\n\r\n", from.path, from.host, from.port))) {
    throw std::system_error(error);
  }
  std::string answer;
  char buffer[16 * 1024];
  while (const std::size_t count = stream.read(buffer, sizeof buffer).value()) {
    answer.append(buffer, count);
  }
  return summary(answer);
}

outcome try_to_fetch(std::size_t index, const url& from, csp::clock::time_point deadline) {
  try {
    return {index, true, fmt::format("{} {}", fetch(from, deadline), from.text)};
  } catch (const std::exception& error) {
    return {index, false, fmt::format("failed {}: {}", from.text, error.what())};
  }
}

int run(unsigned at_once, std::chrono::seconds limit, const std::vector<url>& urls) {
  const auto deadline = csp::clock::now() + limit;
  csp::chan<std::size_t> jobs;
  csp::chan<outcome> outcomes;
  for (unsigned i = 0; i < at_once; ++i) {
    csp::go([=, &urls] {
      for (const std::size_t index : jobs) {
        outcomes.send(try_to_fetch(index, urls[index], deadline));
      }
    });
  }
  csp::go([=, count = urls.size()] {
    for (std::size_t i = 0; i < count; ++i) {
      jobs.send(i);
    }
    jobs.close();
  });

  std::vector<outcome> in_order(urls.size());
  bool all = true;
  for (std::size_t i = 0; i < urls.size(); ++i) {
    outcome next = outcomes.recv().value();
    all = all && next.fetched;
    in_order[next.index] = std::move(next);
  }
  for (const outcome& each : in_order) {
    fmt::print("{}\n", each.line);
  }
  return all ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 4) {
      throw std::invalid_argument("usage: fetcher AT_ONCE SECONDS URL...");
    }
    const int at_once = std::stoi(argv[1]);
    const std::chrono::seconds limit(std::stoi(argv[2]));
    std::vector<url> urls;
    for (int i = 3; i < argc; ++i) {
      urls.push_back(parse_url(argv[i]));
    }
    return csp::run([&] { return run(at_once > 0 ? static_cast<unsigned>(at_once) : 1, limit, urls); });
  } catch (const std::exception& error) {
    fmt::print(stderr, "fetcher: {}\n", error.what());
    return 2;
  }
}
