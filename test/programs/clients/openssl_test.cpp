#include "test/support/catch.h"
