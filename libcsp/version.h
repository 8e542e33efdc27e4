// The version of libcsp, for the preprocessor and at run time.
#pragma once

/// major * 10000 + minor * 100 + patch; the build checks that it agrees with the project's version.
#define CSP_VERSION 100
