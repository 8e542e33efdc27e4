#include "netio/outcome.h"

#include <cerrno>

namespace csp::inline v0::detail {

int last_errno() noexcept { return errno; }

}  // namespace csp::inline v0::detail
