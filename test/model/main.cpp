// The main function of the model checker's programs, which are without the library and so without its leftovers.
#define CATCH_CONFIG_MAIN
#include "test/support/catch.h"
