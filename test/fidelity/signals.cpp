// Signals that interrupt a waiting call. In plain threads only: which thread a task waits on is libcsp's business.
#include "test/fidelity/calls.h"
#include "test/fidelity/families.h"
#include "test/fidelity/fds.h"
#include "test/fidelity/stage.h"

#include <atomic>
#include <csignal>
#include <ctime>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace fidelity {

namespace {

using namespace std::chrono_literals;

std::atomic<int> handled{0};

/// Has SIGUSR1 counted while it lives.
class counting_handler {
 public:
  explicit counting_handler(int flags) {
    handled = 0;
    struct sigaction counting {};
    counting.sa_handler = [](int) { handled.fetch_add(1); };
    counting.sa_flags = flags;
    ::sigaction(SIGUSR1, &counting, &before_);
  }
  ~counting_handler() { ::sigaction(SIGUSR1, &before_, nullptr); }
  counting_handler(const counting_handler&) = delete;
  counting_handler& operator=(const counting_handler&) = delete;

 private:
  struct sigaction before_ {};
};

/// Interrupts `waits` with a handler that has `flags`; `release` ends what the call waits for, should it go on.
void interrupted(outcome& out, int flags, const std::function<long()>& waits, const std::function<void()>& release) {
  const counting_handler handler(flags);
  const pthread_t target = ::pthread_self();
  std::atomic<bool> returned{false};
  peer other([&](peer& self) {
    self.until_blocked();
    ::pthread_kill(target, SIGUSR1);
    while (handled == 0) {
      std::this_thread::sleep_for(1ms);
    }
    std::this_thread::sleep_for(20ms);  // an interrupted call returns in this time; one that goes on does not
    if (!returned) {
      self.until_blocked();
      release();
    }
  });
  const result got = call([&] { return waits(); });
  returned = true;
  other.join();
  out.note("result", got).note("handled", std::to_string(handled.load()));
}

/// Everything that the calls below wait on, and what ends the wait.
struct stuff {
  fd_pair pair = socket_pair(SOCK_STREAM);
  owned_fd listener = tcp_listener();
  owned_fd event{::eventfd(0, 0)};
  owned_fd poller{::epoll_create1(0)};
  owned_fd client;
  stuff() {
    epoll_event wanted{EPOLLIN, {}};
    ::epoll_ctl(poller, EPOLL_CTL_ADD, pair.near, &wanted);
  }
  void release() {
    put(pair.far, "hello");
    ::eventfd_write(event, 1);
    const address name = name_of_socket(listener);
    client = owned_fd(::socket(AF_INET, SOCK_STREAM, 0));
    ::connect(client, name.get(), name.size);
  }
};

struct waiting_call {
  const char* name;
  long (*run)(stuff& with);
};

constexpr waiting_call waiting_calls[] = {
    {"read",
     [](stuff& with) {
       char bytes[10];
       return long{::read(with.pair.near, bytes, sizeof bytes)};
     }},
    {"recv",
     [](stuff& with) {
       char bytes[10];
       return long{::recv(with.pair.near, bytes, sizeof bytes, 0)};
     }},
    {"read of an eventfd",
     [](stuff& with) {
       char bytes[8];
       return long{::read(with.event, bytes, sizeof bytes)};
     }},
    {"accept",
     [](stuff& with) {
       const owned_fd taken(::accept(with.listener, nullptr, nullptr));
       return taken < 0 ? -1L : 0L;
     }},
    {"recv with a timeout",
     [](stuff& with) {
       char bytes[10];
       set_timeout(with.pair.near, SO_RCVTIMEO, 5, 0);
       return long{::recv(with.pair.near, bytes, sizeof bytes, 0)};
     }},
    {"poll",
     [](stuff& with) {
       pollfd entry{with.pair.near, POLLIN, 0};
       return long{::poll(&entry, 1, 5000)};
     }},
    {"select",
     [](stuff& with) {
       fd_set reads;
       FD_ZERO(&reads);
       FD_SET(with.pair.near, &reads);
       timeval limit{5, 0};
       return long{::select(with.pair.near + 1, &reads, nullptr, nullptr, &limit)};
     }},
    {"epoll_wait",
     [](stuff& with) {
       epoll_event event{};
       return long{::epoll_wait(with.poller, &event, 1, 5000)};
     }},
    {"nanosleep",
     [](stuff&) {
       const timespec length{1, 0};
       timespec rest{-1, -1};
       const int status = ::nanosleep(&length, &rest);
       return status == 0 ? 0L : (rest.tv_sec == 0 && rest.tv_nsec > 0 ? -1L : -2L);
     }},
    {"clock_nanosleep",
     [](stuff&) {
       const timespec length{1, 0};
       timespec rest{-1, -1};
       const int status = ::clock_nanosleep(CLOCK_MONOTONIC, 0, &length, &rest);
       return status * 10L + (rest.tv_sec == 0 ? 1 : 0);
     }},
    {"usleep", [](stuff&) { return long{::usleep(900'000)}; }},
    {"sleep", [](stuff&) { return static_cast<long>(::sleep(1)) <= 1 ? 0L : 1L; }},
};

/// A signal that is pending and blocked is let in by the mask, and by nothing else.
void masks(outcome& out, const std::function<long(const sigset_t* mask)>& waits) {
  const counting_handler handler(0);
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ::pthread_kill(::pthread_self(), SIGUSR1);
  const result without = call([&] { return waits(nullptr); });
  out.note("without a mask", without).note("handled", std::to_string(handled.load()));
  const result with = call([&] { return waits(&before); });
  out.note("with a mask", with).note("handled", std::to_string(handled.load()));
  sigset_t now;
  ::pthread_sigmask(SIG_SETMASK, &before, &now);
  out.note("still blocked after it", ::sigismember(&now, SIGUSR1) == 1);
}

}  // namespace

void add_signals(probe_list& list) {
  for (const waiting_call& each : waiting_calls) {
    for (const auto& [flags, name] : {std::pair{0, "interrupted"}, {SA_RESTART, "interrupted, SA_RESTART"}}) {
      list.add(
          std::string(each.name) + ' ' + name,
          [&each, flags = flags](outcome& out) {
            stuff with;
            interrupted(
                out, flags, [&] { return each.run(with); }, [&] { with.release(); });
          },
          where::threads_only);
    }
  }
  list.add(
      "ppoll's mask",
      [](outcome& out) {
        masks(out, [](const sigset_t* mask) {
          const timespec limit{0, 20'000'000};
          return long{::ppoll(nullptr, 0, &limit, mask)};
        });
      },
      where::threads_only);
  list.add(
      "pselect's mask",
      [](outcome& out) {
        masks(out, [](const sigset_t* mask) {
          const timespec limit{0, 20'000'000};
          return long{::pselect(0, nullptr, nullptr, nullptr, &limit, mask)};
        });
      },
      where::threads_only);
  list.add(
      "epoll_pwait's mask",
      [](outcome& out) {
        masks(out, [](const sigset_t* mask) {
          const owned_fd poller(::epoll_create1(0));
          epoll_event event{};
          return long{::epoll_pwait(poller, &event, 1, 20, mask)};
        });
      },
      where::threads_only);
}

}  // namespace fidelity
