// The main function of every test program.
#define CATCH_CONFIG_RUNNER
#include "test/support/catch.h"
#include "test/support/leftovers.h"

#include <string>

int main(int argc, char** argv) {
  Catch::Session session;
  if (const int wrong = session.applyCommandLine(argc, argv); wrong != 0) {
    return wrong;
  }
  int failures = session.run();
  failures += csp_test::count_leftovers([&](const std::string& test) {
    Catch::ConfigData alone;
    alone.testsOrTags.push_back(csp_test::quoted_test_name(test));
    session.useConfigData(alone);
    failures += session.run();
    session.useConfigData({});
  });
  return failures < 255 ? failures : 255;
}
