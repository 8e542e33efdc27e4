#include "test/model/mutant.h"

#include <fstream>
#include <string_view>

namespace model {

const char* describe(mistake what) noexcept {
  switch (what) {
    case mistake::relax:
      return "relax";
    case mistake::omit:
      return "omit";
    case mistake::delay:
      return "delay";
    case mistake::tear:
      break;
  }
  return "tear";
}

mutant_site::mutant_site(const mutant& planted) : planted_(planted) {
  const std::string path = std::string(CSP_SOURCE_ROOT "/") + planted.file;
  std::ifstream source(path);
  if (!source) {
    problem_ = path + " cannot be read";
    return;
  }
  std::string line;
  unsigned found = 0;
  for (int number = 1; std::getline(source, line); ++number) {
    const bool here =
        line.find(planted.text) != std::string::npos && ++found == (planted.occurrence != 0 ? planted.occurrence : 1);
    if (here) {
      first_ = number;
    }
    if (first_ != 0 && last_ == 0) {
      const std::size_t from = here ? line.find(planted.text) : 0;
      if (line.find_first_of(";{", from) != std::string::npos) {
        last_ = number;
      }
    }
  }
  if (first_ == 0) {
    problem_ = std::string("no such line in ") + planted.file + ": " + planted.text;
  } else if (planted.occurrence == 0 && found > 1) {
    problem_ = std::string("more than one line in ") + planted.file + ": " + planted.text;
  }
}

bool mutant_site::matches(const operation& each) const noexcept {
  if (each.where.line < first_ || each.where.line > last_) {
    return false;
  }
  if (!std::string_view(each.where.file).ends_with(planted_.file)) {
    return false;
  }
  switch (planted_.what) {
    case mistake::relax:
      return each.what == action::light_fence || each.what == action::heavy_fence || each.success != order::relaxed ||
             each.failure != order::relaxed;
    case mistake::omit:
      return each.what == action::store || each.what == action::exchange || each.what == action::fence ||
             each.what == action::light_fence || each.what == action::heavy_fence || each.what == action::lock ||
             each.what == action::unlock;
    case mistake::delay:
      return each.what == action::store;
    case mistake::tear:
      return each.what == action::exchange || each.what == action::compare;
  }
  return false;
}

}  // namespace model
