// Everything of libcsp. Each part may be included alone.
#pragma once

#include <libcsp/blocking.h>
#include <libcsp/callback.h>
#include <libcsp/cancel.h>
#include <libcsp/chan.h>
#include <libcsp/go.h>
#include <libcsp/inspect.h>
#include <libcsp/net.h>
#include <libcsp/readiness.h>
#include <libcsp/run.h>
#include <libcsp/select.h>
#include <libcsp/signals.h>
#include <libcsp/stacks.h>
#include <libcsp/stay.h>
#include <libcsp/sync.h>
#include <libcsp/time.h>
#include <libcsp/version.h>
