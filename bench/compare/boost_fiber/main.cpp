// boost_fiber_bench: the rows of csp_bench on Boost.Fiber, with the same arguments and the same JSON lines.
#include <string_view>
#include <vector>

#include "bench/compare/boost_fiber/fibers.h"
#include "bench/rows.h"

// `--suspend`, which has to come first, is explained in fibers.h; it makes another peer.
int main(int argc, char** argv) {
  const bool suspend = argc > 1 && std::string_view(argv[1]) == "--suspend";
  if (suspend) {
    bench::set_suspend(true);
    ++argv;
    --argc;
  }
  const std::vector<bench::row> rows = bench::all_rows<bench::boost_peer>();
  const int status = bench::main_program(argc, argv, suspend ? "boost_fiber_suspend" : "boost_fiber", rows);
  bench::stop_workers();
  return status;
}
