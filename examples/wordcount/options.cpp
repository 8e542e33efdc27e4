// See options.h.

#include "options.h"

#include <fmt/core.h>

#include <charconv>
#include <string_view>
#include <system_error>

namespace wordcount {

namespace {

unsigned parse_number(std::string_view option, std::string_view text, unsigned least, unsigned most) {
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || value < least || value > most) {
    throw usage_error(fmt::format("{} needs a number from {} to {}, not '{}'", option, least, most, text));
  }
  return value;
}

}  // namespace

options parse_options(std::span<char*> arguments) {
  options result;
  bool only_paths = false;
  for (auto at = arguments.begin(); at != arguments.end(); ++at) {
    const std::string_view argument = *at;
    auto number = [&](unsigned least, unsigned most) {
      if (++at == arguments.end()) {
        throw usage_error(fmt::format("{} needs a number", argument));
      }
      return parse_number(argument, *at, least, most);
    };
    if (only_paths || !argument.starts_with("-") || argument == "-") {
      result.roots.emplace_back(argument);
    } else if (argument == "--") {
      only_paths = true;
    } else if (argument == "--top") {
      result.top = number(0, 1'000'000'000);
    } else if (argument == "--readers") {
      result.readers = number(1, 1024);
    } else if (argument == "--all") {
      result.all = true;
    } else if (argument == "--compare") {
      result.compare = true;
    } else if (argument == "--progress") {
      result.progress = true;
    } else if (argument == "--quiet") {
      result.quiet = true;
    } else if (argument == "--help") {
      result.help = true;
    } else {
      throw usage_error(fmt::format("unknown option '{}'", argument));
    }
  }
  if (result.roots.empty() && !result.help) {
    throw usage_error("which directory?");
  }
  return result;
}

}  // namespace wordcount
