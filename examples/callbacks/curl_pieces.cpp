// curl_pieces: counts the lines of pages while they come in, by libcurl's blocking interface and a callback that waits.
//
//   curl_pieces URL...
//
// Teaches: a callback that may block. curl_easy_perform is called as in any thread; since the program is linked with
// csp::hook, other tasks run while it waits. It hands each piece of a page to on_data, which sends it on a channel:
// when the counting task is behind, that waits, and so does the transfer. libcurl's frames lie below the callback, and
// compiled code may keep the address of errno over the call: csp::stay brings the task back to the thread that it came
// from.

#include <libcsp/csp.h>

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace {

// A piece of a page.
using piece = std::string;

// How many pieces may wait to be counted.
constexpr std::size_t room = 4;

// Less than `size` tells libcurl to give up. No exception may leave it, libcurl's frames know of none: so it asks for a
// status, also when the task is cancelled.
std::size_t on_data(char* data, std::size_t, std::size_t size, void* context) noexcept {
  const csp::stay here;
  const auto& pieces = *static_cast<const csp::chan<piece>*>(context);
  return pieces.send_for(piece(data, size), csp::clock::duration::max()) == csp::op_status::ok ? size : 0;
}

CURLcode fetch(const std::string& url, const csp::chan<piece>& pieces) {
  CURL* const easy = ::curl_easy_init();
  ::curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  ::curl_easy_setopt(easy, CURLOPT_FAILONERROR, 1L);
  ::curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_data);
  ::curl_easy_setopt(easy, CURLOPT_WRITEDATA, &pieces);
  const CURLcode outcome = ::curl_easy_perform(easy);
  ::curl_easy_cleanup(easy);
  return outcome;
}

std::string count(const std::string& url) {
  csp::chan<piece> pieces(room);
  csp::join_handle<CURLcode> fetching = csp::spawn([=] {
    const CURLcode outcome = fetch(url, pieces);
    pieces.close();
    return outcome;
  });
  std::size_t bytes = 0;
  std::ptrdiff_t lines = 0;
  for (const piece& each : pieces) {
    bytes += each.size();
    lines += std::ranges::count(each, '\n');
  }
  const CURLcode outcome = fetching.join();
  return fmt::format("{}: {} bytes, {} lines, {}", url, bytes, lines, ::curl_easy_strerror(outcome));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    ::curl_global_init(CURL_GLOBAL_DEFAULT);
    csp::run([&] {
      std::vector<csp::join_handle<std::string>> counts;
      for (const std::string& url : std::vector<std::string>(argv + 1, argv + argc)) {
        counts.push_back(csp::spawn([=] { return count(url); }));
      }
      for (csp::join_handle<std::string>& each : counts) {
        fmt::print("{}\n", each.join());
      }
    });
    ::curl_global_cleanup();
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
