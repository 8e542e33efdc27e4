// The monitor's sleep, which processors move: put off, brought forward, rung, and without a descriptor.
#include "sched/standby.h"

#include "test/support/topologies.h"

#include <sys/resource.h>

#include <cstdint>
#include <thread>

#include <unistd.h>

using csp::detail::idle_entry;
using csp::detail::idle_set;
using csp::detail::nanos;
using csp::detail::never;
using csp::detail::standby;
using csp::detail::steady_now;

namespace {

constexpr nanos millisecond = 1'000'000;
constexpr nanos hour = 3'600'000 * millisecond;

// One processor, parked.
struct parked_one {
  idle_set idle;
  idle_entry entry;
  standby monitor;

  parked_one() {
    monitor.open();
    static_cast<void>(idle.park(entry, false));
  }
  ~parked_one() { monitor.close(); }

  // What a processor does that has just parked, of `in_service`.
  void put_off(nanos now, nanos at, unsigned in_service = 1) {
    monitor.put_off(now, at, idle.departures(), idle, in_service);
  }
};

// While it lives no descriptor can be made.
class no_descriptors {
 public:
  no_descriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit none{0, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &none);
  }
  ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  no_descriptors(const no_descriptors&) = delete;
  no_descriptors& operator=(const no_descriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace

TEST_CASE("standby: it sleeps until its time") {
  parked_one all;
  const nanos first = steady_now() + 20 * millisecond;
  all.monitor.tick(first);
  all.monitor.sleep();
  CHECK(steady_now() >= first);
  const nanos second = steady_now() + 20 * millisecond;
  CHECK(all.monitor.begin(second, all.idle.departures(), all.idle, 1));
  all.monitor.sleep();
  CHECK(steady_now() >= second);
}

TEST_CASE("standby: it does not begin while one is at work") {
  parked_one all;
  CHECK_FALSE(all.monitor.begin(never, all.idle.departures(), all.idle, 2));
  CHECK(all.idle.leave(all.entry));
  CHECK_FALSE(all.monitor.begin(never, all.idle.departures(), all.idle, 1));
}

TEST_CASE("standby: who parks last puts it off, and only to a later time") {
  parked_one all;
  const nanos now = steady_now();
  all.monitor.tick(now + 3 * millisecond);
  REQUIRE(all.monitor.is_near(now));
  all.put_off(now, now + 50 * millisecond);
  CHECK_FALSE(all.monitor.is_near(now));
  all.monitor.sleep();
  CHECK(steady_now() >= now + 50 * millisecond);

  const nanos again = steady_now();
  all.monitor.tick(again + 30 * millisecond);
  all.put_off(again, again + hour);  // it is not near
  all.monitor.sleep();

  const nanos later = steady_now() + 4 * millisecond;
  all.monitor.tick(later);
  all.put_off(later - millisecond, later - 1);
  all.monitor.sleep();
  CHECK(steady_now() >= later);
}

TEST_CASE("standby: it is not put off while one is at work or has been, nor when its time has come") {
  parked_one all;
  const nanos now = steady_now();
  all.monitor.tick(now + 3 * millisecond);
  all.put_off(now, now + hour, 2);
  all.monitor.sleep();
  const std::uint64_t departures = all.idle.departures();
  CHECK(all.idle.leave(all.entry));
  static_cast<void>(all.idle.park(all.entry, false));
  all.monitor.tick(now + 3 * millisecond);
  all.monitor.put_off(now, now + hour, departures, all.idle, 1);
  all.monitor.sleep();
  all.monitor.tick(now);
  all.put_off(now, now + hour);
  all.monitor.sleep();
  all.monitor.tick(now + 3 * millisecond);
  all.monitor.ring();
  all.put_off(now, now + hour);
  all.monitor.sleep();
}

TEST_CASE("standby: no put-off goes beyond the deadline of the watch") {
  parked_one all;
  const nanos now = steady_now();
  all.monitor.limit(now + 20 * millisecond);
  all.monitor.tick(now + 3 * millisecond);
  all.put_off(now, now + hour);
  all.monitor.sleep();
  CHECK(steady_now() >= now + 20 * millisecond);
}

TEST_CASE("standby: who goes to work is looked after within ten milliseconds, and moves only what is too late") {
  parked_one all;
  for (const nanos late : {steady_now() + hour, never}) {
    CHECK(all.monitor.begin(late, all.idle.departures(), all.idle, 1));
    const nanos now = steady_now();
    all.monitor.watch_from(now);
    CHECK(all.monitor.is_near(now));
    all.monitor.sleep();
    CHECK(steady_now() >= now + millisecond);
  }
  const nanos now = steady_now();
  all.monitor.tick(now + standby::longest_unwatched);
  all.monitor.watch_from(now);
  CHECK_FALSE(all.monitor.is_near(now));
}

TEST_CASE("standby: a ring ends the sleep of another thread, and the next sleep if it comes first") {
  parked_one all;
  for (const nanos late : {steady_now() + hour, never}) {
    all.monitor.tick(late);
    std::thread ringing([&] {
      ::usleep(5'000);
      all.monitor.ring();
    });
    all.monitor.sleep();
    ringing.join();
    all.monitor.tick(late);
    all.monitor.ring();
    all.monitor.sleep();
  }
}

TEST_CASE("standby: without a descriptor it wakes early instead of late") {
  idle_set idle;
  idle_entry entry;
  static_cast<void>(idle.park(entry, false));
  standby monitor;
  {
    const no_descriptors limit;
    monitor.open();
  }
  const nanos at = steady_now() + 10 * millisecond;
  monitor.tick(at);
  monitor.sleep();
  CHECK(steady_now() >= at);

  const nanos now = steady_now();
  monitor.tick(now + 3 * millisecond);
  monitor.put_off(now, now + hour, idle.departures(), idle, 1);  // it cannot be
  monitor.sleep();

  monitor.tick(never);
  std::thread working([&] {
    ::usleep(5'000);
    monitor.watch_from(steady_now());
  });
  monitor.sleep();
  working.join();
  monitor.tick(never);
  monitor.ring();
  monitor.sleep();
  monitor.close();
}

TEST_CASE("standby: when somebody closes its descriptor it does without") {
  const int number = ::dup(STDERR_FILENO);  // the lowest free one, which it gets
  ::close(number);
  parked_one all;
  REQUIRE(::close(number) == 0);
  const nanos at = steady_now() + 10 * millisecond;
  all.monitor.tick(at);
  all.monitor.sleep();
  CHECK(steady_now() >= at);
  all.monitor.tick(never);
  all.monitor.ring();
  all.monitor.sleep();
}
