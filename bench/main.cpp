// csp_bench: the rows of libcsp (harness.h has the arguments, rows.h the list of themes).
#include <vector>

#include "bench/rows.h"

int main(int argc, char** argv) {
  std::vector<bench::row> rows;
  for (auto theme : {bench::switch_rows(), bench::channel_rows(), bench::select_rows(), bench::program_rows(),
                     bench::parallel_rows()})
    rows.insert(rows.end(), theme.begin(), theme.end());
  return bench::main_program(argc, argv, "libcsp", rows);
}
