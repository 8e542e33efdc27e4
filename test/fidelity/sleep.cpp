// sleep, usleep, nanosleep and clock_nanosleep.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <ctime>

#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

/// A call that sleeps: its result, its length, and that it leaves the processor to others.
template <class F>
void note_sleep(outcome& out, const char* name, std::chrono::milliseconds length, F&& sleeps) {
  bystander other;
  const stopwatch watch;
  out.note(name, call(sleeps)).note("took", watch.against(length));
  if (length > 0ms) {
    other.check();
  }
}

void seconds(outcome& out) {
  note_sleep(out, "sleep", 0ms, [] { return ::sleep(0); });
  note_sleep(out, "sleep", 1000ms, [] { return ::sleep(1); });
}

void microseconds(outcome& out) {
  note_sleep(out, "usleep", 0ms, [] { return ::usleep(0); });
  note_sleep(out, "usleep", 20ms, [] { return ::usleep(20'000); });
  // Linux allows a million and more.
  note_sleep(out, "usleep", 1001ms, [] { return ::usleep(1'001'000); });
}

using nanosleep_call = int (*)(const timespec*, timespec*);

void nanoseconds(outcome& out, const char* name, nanosleep_call sleeps) {
  timespec rest{7, 7};
  const timespec length{0, 20'000'000};
  const timespec none{0, 0};
  note_sleep(out, name, 20ms, [&] { return sleeps(&length, &rest); });
  note_sleep(out, name, 20ms, [&] { return sleeps(&length, nullptr); });
  note_sleep(out, name, 0ms, [&] { return sleeps(&none, &rest); });
  out.note("rest untouched", rest.tv_sec == 7 && rest.tv_nsec == 7);
  const timespec wrong[] = {{0, 1'000'000'000}, {0, -1}, {-1, 0}};
  for (const timespec& each : wrong) {
    out.note("wrong", call([&] { return sleeps(&each, &rest); }));
  }
}

void bad_length(outcome& out, nanosleep_call sleeps) {
  out.note("bad address", call([&] { return sleeps(static_cast<timespec*>(bad_address()), nullptr); }));
}

timespec after(clockid_t clock, long milliseconds) {
  timespec now{};
  ::clock_gettime(clock, &now);
  now.tv_nsec += milliseconds * 1'000'000;
  now.tv_sec += now.tv_nsec / 1'000'000'000;
  now.tv_nsec %= 1'000'000'000;
  return now;
}

void clocks(outcome& out, clockid_t clock) {
  const timespec length{0, 20'000'000};
  timespec rest{7, 7};
  note_sleep(out, "relative", 20ms, [&] { return ::clock_nanosleep(clock, 0, &length, &rest); });
  out.note("rest untouched", rest.tv_sec == 7 && rest.tv_nsec == 7);
  timespec until = after(clock, 30);
  note_sleep(out, "absolute", 29ms, [&] { return ::clock_nanosleep(clock, TIMER_ABSTIME, &until, &rest); });
  note_sleep(out, "passed", 0ms, [&] { return ::clock_nanosleep(clock, TIMER_ABSTIME, &until, nullptr); });
  until = {1, 0};
  note_sleep(out, "long passed", 0ms, [&] { return ::clock_nanosleep(clock, TIMER_ABSTIME, &until, nullptr); });
}

void error_number(outcome& out, const char* what, result got) {
  // The error is the return value here; errno stays.
  out.note(what, got.value == 0 ? "0" : error_name(static_cast<int>(got.value)));
  out.note("errno untouched", got.error == errno_before);
}

void wrong_clocks(outcome& out) {
  const timespec length{0, 1'000'000};
  const timespec wrong{0, 1'000'000'000};
  const timespec negative{-1, 0};
  timespec rest{};
  error_number(out, "clock", call([&] { return ::clock_nanosleep(77, 0, &length, &rest); }));
  error_number(out, "thread's clock",
               call([&] { return ::clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &length, &rest); }));
  error_number(out, "raw clock", call([&] { return ::clock_nanosleep(CLOCK_MONOTONIC_RAW, 0, &length, &rest); }));
  error_number(out, "coarse clock", call([&] { return ::clock_nanosleep(CLOCK_MONOTONIC_COARSE, 0, &length, &rest); }));
  error_number(out, "fraction", call([&] { return ::clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, &rest); }));
  error_number(out, "negative", call([&] { return ::clock_nanosleep(CLOCK_REALTIME, 0, &negative, &rest); }));
  error_number(out, "absolute negative",
               call([&] { return ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &negative, &rest); }));
  error_number(out, "unknown flags", call([&] { return ::clock_nanosleep(CLOCK_MONOTONIC, 0x40, &length, &rest); }));
}

void bad_length_on_clock(outcome& out) {
  error_number(out, "bad address", call([] {
                 return ::clock_nanosleep(CLOCK_MONOTONIC, 0, static_cast<timespec*>(bad_address()), nullptr);
               }));
}

}  // namespace

void add_sleep(probe_list& list) {
  list.add("sleep", seconds);
  list.add("usleep", microseconds);
  list.add("nanosleep", [](outcome& out) { nanoseconds(out, "nanosleep", ::nanosleep); });
  list.add("__nanosleep", [](outcome& out) { nanoseconds(out, "__nanosleep", ::__nanosleep); });
  list.add("nanosleep, bad address", [](outcome& out) { bad_length(out, ::nanosleep); });
  list.add("__nanosleep, bad address", [](outcome& out) { bad_length(out, ::__nanosleep); });
  list.add("clock_nanosleep, bad address", bad_length_on_clock);
  struct row {
    const char* name;
    clockid_t clock;
  };
  for (const row& each : {row{"monotonic", CLOCK_MONOTONIC}, row{"realtime", CLOCK_REALTIME},
                          row{"boottime", CLOCK_BOOTTIME}, row{"tai", CLOCK_TAI}}) {
    list.add(std::string("clock_nanosleep ") + each.name, [=](outcome& out) { clocks(out, each.clock); });
  }
  list.add("clock_nanosleep, wrong arguments", wrong_clocks);
}

}  // namespace fidelity
