// The Go Memory Model, "Channel communication". What is synchronized is plain memory: in an ordinary build its value is
// checked, and ThreadSanitizer checks that there is an edge. Titles name the rules; docs/conformance.md lists them.
#include "test/conformance/crew.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>

namespace {

using csp::chan;
using csp_test::crew;
using csp_test::expectations;
using csp_test::on_each_cast;

// Plain words of memory that one writes and another reads.
struct letter {
  std::array<std::size_t, 8> words{};

  void write(std::size_t number) { words.fill(number); }
  [[nodiscard]] bool reads(std::size_t number) const {
    return std::all_of(words.begin(), words.end(), [number](std::size_t word) { return word == number; });
  }
};

std::size_t rounds() { return csp_test::scaled(2000); }

}  // namespace

TEST_CASE("go spec, Memory model: a send is synchronized before the completion of its receive") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {0U, 1U, 5U}) {
      const chan<letter*> channel(capacity);
      std::vector<letter> letters(rounds());
      people.add([&] {
        for (std::size_t i = 0; i < letters.size(); ++i) {
          letters[i].write(i + 1);
          channel.send(&letters[i]);
        }
      });
      people.add([&] {
        for (std::size_t i = 0; i < letters.size(); ++i) {
          expect((*channel.recv())->reads(i + 1), "what was written before the send is seen");
        }
      });
      people.join();
    }
  });
}

TEST_CASE("go spec, Memory model: a close is synchronized before a receive that reports it") {
  on_each_cast([](expectations& expect, crew& people) {
    for (std::size_t i = 0; i < csp_test::scaled(100); ++i) {
      const chan<int> channel(i % 2);
      letter note;
      people.add([&, i] {
        note.write(i + 1);
        channel.close();
      });
      for (int reader = 0; reader < 3; ++reader) {
        people.add([&, i, reader] {
          switch (reader) {
            case 0:
              static_cast<void>(channel.recv());
              break;
            case 1:
              csp::select(csp::on_recv(channel));
              break;
            default:
              while (channel.try_recv().status != csp::op_status::closed) {
                csp::yield();
              }
          }
          expect(note.reads(i + 1), "what was written before the close is seen");
        });
      }
      people.join();
    }
  });
}

TEST_CASE(
    "go spec, Memory model: a receive from an unbuffered channel is synchronized before the completion of its send") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<int> channel;
    std::vector<letter> letters(rounds());
    people.add([&] {
      for (std::size_t i = 0; i < letters.size(); ++i) {
        letters[i].write(i + 1);
        static_cast<void>(channel.recv());
      }
    });
    people.add([&] {
      for (std::size_t i = 0; i < letters.size(); ++i) {
        channel.send(0);
        expect(letters[i].reads(i + 1), "what was written before the receive is seen");
      }
    });
    people.join();
  });
}

TEST_CASE("go spec, Memory model: with capacity C, receive k is synchronized before the completion of send k+C") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const std::size_t capacity : {1U, 3U}) {
      const chan<int> channel(capacity);
      std::vector<letter> letters(rounds());
      people.add([&] {
        for (std::size_t k = 0; k < letters.size(); ++k) {
          letters[k].write(k + 1);
          static_cast<void>(channel.recv());
        }
      });
      people.add([&] {
        for (std::size_t sent = 0; sent < letters.size(); ++sent) {
          channel.send(0);
          if (sent >= capacity) {
            const std::size_t k = sent - capacity;
            expect(letters[k].reads(k + 1), "what was written before the kth receive is seen");
          }
        }
      });
      people.join();
    }
  });
}

TEST_CASE("go spec, Memory model: a buffered channel is a counting semaphore") {
  on_each_cast([](expectations& expect, crew& people) {
    for (const int capacity : {1, 3}) {
      const chan<void> slots(static_cast<std::size_t>(capacity));
      std::atomic<int> inside{0};
      std::size_t guarded = 0;  // plain: with capacity 1 the channel is a mutex
      const std::size_t each = csp_test::scaled(300);
      for (int member = 0; member < 5; ++member) {
        people.add([&] {
          for (std::size_t i = 0; i < each; ++i) {
            slots.send();
            expect(++inside <= capacity, "at most C are inside");
            if (capacity == 1) {
              ++guarded;
            }
            --inside;
            static_cast<void>(slots.recv());
          }
        });
      }
      people.join();
      expect(capacity != 1 || guarded == 5 * each, "the mutex holds");
    }
  });
}

TEST_CASE("go spec, Memory model: arms of a select synchronize as plain operations do") {
  on_each_cast([](expectations& expect, crew& people) {
    const chan<letter*> channel;
    const chan<letter*> quiet;
    std::vector<letter> there(rounds());
    std::vector<letter> back(rounds());
    people.add([&] {
      for (std::size_t i = 0; i < there.size(); ++i) {
        there[i].write(i + 1);
        csp::select(csp::on_recv(quiet), csp::on_send(channel, &there[i]));
        expect(back[i].reads(i + 1), "what was written before the receive is seen");
      }
    });
    people.add([&] {
      for (std::size_t i = 0; i < there.size(); ++i) {
        back[i].write(i + 1);
        letter* received = nullptr;
        csp::select(csp::on_recv(channel, [&](std::optional<letter*> value) { received = *value; }),
                    csp::on_recv(quiet));
        expect(received->reads(i + 1), "what was written before the send is seen");
      }
    });
    people.join();
  });
}
