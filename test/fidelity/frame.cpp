#include "test/fidelity/frame.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace fidelity {

namespace {

std::string value_text(result of_call, const std::string& success) {
  if (of_call.value < 0) {
    return std::to_string(of_call.value) + ' ' +
           (of_call.error == errno_before ? "without errno" : error_name(of_call.error));
  }
  return of_call.error == errno_before ? success : success + " and errno " + error_name(of_call.error);
}

}  // namespace

outcome& outcome::note(std::string_view what, const std::string& text) {
  text_ += text_.empty() ? "" : "; ";
  text_ += what;
  text_ += '=';
  text_ += text;
  return *this;
}

outcome& outcome::note(std::string_view what, result of_call) {
  return note(what, value_text(of_call, std::to_string(of_call.value)));
}

outcome& outcome::note_fd(std::string_view what, result of_call) { return note(what, value_text(of_call, "fd")); }

outcome& outcome::note_part(std::string_view what, result of_call, std::size_t whole) {
  const char* text = "part";
  if (of_call.value == 0) {
    text = "none";
  } else if (of_call.value == static_cast<long>(whole)) {
    text = "all";
  }
  return note(what, value_text(of_call, text));
}

void probe_list::add(std::string name, std::function<void(outcome&)> run, where place) {
  for (const probe& other : probes_) {
    if (other.name == name) {
      std::fprintf(stderr, "two probes are called '%s'\n", name.c_str());
      std::abort();
    }
  }
  probes_.push_back({std::move(name), std::move(run), place});
}

std::string stopwatch::against(std::chrono::milliseconds timeout) const {
  const auto taken = std::chrono::steady_clock::now() - start_;
  // The kernel counts socket timeouts in ticks of up to 10 ms and may be early by a fraction of one.
  if (taken + std::chrono::milliseconds(1) < timeout) {
    return "before the timeout";
  }
  return taken < timeout + std::chrono::seconds(5) ? "after the timeout" : "late";
}

int opaque(int number) { return number; }

std::string error_name(int error) {
  const char* name = strerrorname_np(error);
  return name != nullptr ? name : "error " + std::to_string(error);
}

std::string bytes_text(std::string_view bytes) {
  if (bytes.size() <= 40) {
    std::string text;
    for (const char byte : bytes) {
      text += byte >= ' ' && byte <= '~' ? byte : '?';
    }
    return '"' + text + '"';
  }
  std::uint32_t sum = 0;
  for (const char byte : bytes) {
    sum = sum * 31 + static_cast<unsigned char>(byte);
  }
  return std::to_string(bytes.size()) + " bytes of sum " + std::to_string(sum);
}

std::string pattern(std::size_t size) {
  std::string bytes(size, ' ');
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>('a' + (i * 7 + i / 4096) % 26);
  }
  return bytes;
}

}  // namespace fidelity
