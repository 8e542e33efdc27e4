// One execution of a scenario: its threads, which are stacks of our own, and what their operations do.
//
// Each operation of a thread is a switch point: the thread says what it will do next, the search chooses who goes on,
// and the chosen one does what it said and runs to its next operation.
#pragma once

#include "test/model/memory.h"
#include "test/model/model.h"
#include "test/model/mutant.h"
#include "test/model/search.h"

#include <memory>
#include <string>
#include <vector>

namespace model {

class execution {
 public:
  execution();

  enum class verdict { passed, redundant, failed };

  /// Runs the scenario once, along the search's path.
  verdict run(const scenario& what, search& path, const mutant_site* planted);

  /// Of the failed execution.
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  [[nodiscard]] std::string trace() const;
  /// True when some execution has reached the mutant.
  [[nodiscard]] bool mutant_was_reached() const noexcept { return reached_; }

  void forget_mutant() noexcept { reached_ = false; }

  // For model.h and operation.h.
  answer perform(operation wanted, std::uint64_t initial) noexcept;
  void begin_life(const void* address) noexcept;
  void end_life(const void* address) noexcept;
  void fail(const std::string& text) noexcept;
  [[nodiscard]] unsigned current() const noexcept { return current_; }
  [[nodiscard]] bool is_active() const noexcept { return active_; }
  [[nodiscard]] const memory& state() const noexcept { return memory_; }

 private:
  struct seen_store {
    unsigned variable;
    std::uint16_t store;
  };
  struct thread {
    std::unique_ptr<std::byte[]> stack;
    void* context = nullptr;
    operation pending;
    unsigned variable = 0;  // of the pending operation
    unsigned queue = 0;     // of the pending operation's futex
    bool finished = false;
    bool asleep = false;                        // on a futex
    std::uint32_t woken_by = memory::no_event;  // the event that ended its sleep
    std::uint16_t shown = 0;                    // the futex word's store that the waker knew
    std::vector<seen_store> seen;               // loads since it gave way last
    bool delays = false;                        // a mutant's store waits for the next operation
    operation delayed;
    std::uint64_t delayed_initial = 0;
  };
  struct variable_slot {
    const void* address = nullptr;
    std::uint32_t execution = 0;
    unsigned variable = 0;
    bool alive = false;
    bool known = false;
    unsigned maker = 0;  // the thread that it began its life in, and when
    std::uint16_t made = 0;
    std::array<std::uint16_t, most_threads> uses{};  // the last one of each thread
  };
  struct step {
    unsigned thread;
    operation what;
    unsigned variable;
    answer got;
    unsigned age;  // how many newer stores there were
  };

  void body() noexcept;
  void switch_to(unsigned next) noexcept;
  void schedule() noexcept;
  [[nodiscard]] bool may_go(const thread& each) const noexcept;
  [[nodiscard]] std::uint32_t cause_of_end_of_yield(const thread& each, seen_store* change) const noexcept;
  [[nodiscard]] footprint footprint_of(const thread& each) const noexcept;
  [[nodiscard]] variable_slot& slot_of(const void* address) noexcept;
  /// The variable for an operation of the present thread. Its construction must have happened before.
  unsigned variable_at(const void* address, std::uint64_t initial) noexcept;

  answer perform_mutated(operation wanted, std::uint64_t initial) noexcept;
  answer perform_torn(const operation& wanted, std::uint64_t initial) noexcept;
  void locate(thread& self, std::uint64_t initial) noexcept;
  answer in_turn(const operation& wanted, std::uint64_t initial) noexcept;
  answer apply(unsigned who, const operation& wanted) noexcept;
  answer load(unsigned who, const operation& wanted, bool may_be_old) noexcept;
  answer compare(unsigned who, const operation& wanted, bool may_be_old) noexcept;
  answer wait_on_futex(const operation& wanted) noexcept;
  void wake(const operation& wanted) noexcept;
  void flush_delayed(thread& self) noexcept;

  memory memory_;
  search* search_ = nullptr;
  const scenario* scenario_ = nullptr;
  void* made_ = nullptr;
  const mutant_site* planted_ = nullptr;
  std::array<thread, most_threads> threads_;
  unsigned count_ = 0;
  unsigned current_ = 0;
  bool starting_ = false;
  std::uint32_t event_ = memory::no_event;  // of the operation that is being done
  unsigned age_ = 0;                        // of what it reads
  void* main_context_ = nullptr;
  std::vector<variable_slot> slots_;
  std::uint32_t number_ = 0;
  std::vector<step> steps_;
  std::vector<unsigned> sleepers_;  // threads on futexes, first come first
  std::string reason_;
  bool failed_ = false;
  bool active_ = false;
  bool reached_ = false;
};

[[nodiscard]] execution& the_execution() noexcept;

}  // namespace model
