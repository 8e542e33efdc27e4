// Nothing but the header: the target that compiles this file owns the precompiled form that all tests share.
#include "test/support/catch.h"
