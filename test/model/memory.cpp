#include "test/model/memory.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace model {
namespace {

// More stores than any scenario makes; the limit of steps comes first.
constexpr std::uint32_t pool_size = 8192;

}  // namespace

void view::grow(unsigned size) noexcept {
  if (size > size_) {
    std::memset(&stores_[size_], 0, (size - size_) * sizeof stores_[0]);
    size_ = size;
  }
}

void view::raise(unsigned variable, std::uint16_t store) noexcept {
  grow(variable + 1);
  stores_[variable] = std::max(stores_[variable], store);
}

void view::join_stores(const view& other) noexcept {
  grow(other.size_);
  for (unsigned i = 0; i < other.size_; ++i) {
    stores_[i] = std::max(stores_[i], other.stores_[i]);
  }
}

void view::join(const view& other) noexcept {
  join_stores(other);
  for (unsigned i = 0; i < most_threads; ++i) {
    clock[i] = std::max(clock[i], other.clock[i]);
  }
}

void view::assign(const view& other) noexcept {
  size_ = other.size_;
  std::memcpy(stores_.data(), other.stores_.data(), size_ * sizeof stores_[0]);
  clock = other.clock;
}

void view::clear() noexcept {
  size_ = 0;
  clock = {};
}

memory::memory() : stores_(most_variables), pool_(pool_size) {}

void memory::reset() noexcept {
  for (thread_state& thread : threads_) {
    thread.current.clear();
    thread.acquirable.clear();
    thread.released.clear();
  }
  variables_ = 0;
  used_ = 0;
  sequential_.clear();
  light_.clear();
  heavy_.clear();
}

void memory::start_thread(unsigned thread) noexcept {
  thread_state& self = threads_[thread];
  self.current.assign(threads_[0].current);
  // Plain accesses before the first operation, and those of thread 0 before the start, are told from later ones.
  self.current.clock[thread] = 1;
}

void memory::join_thread(unsigned thread) noexcept { threads_[0].current.join(threads_[thread].current); }

unsigned memory::add_variable(std::uint64_t value) noexcept {
  if (variables_ == most_variables) {
    std::fputs("model: a scenario has more variables than views have room for\n", stderr);
    std::abort();
  }
  const unsigned variable = variables_++;
  stores_[variable].clear();
  stored& first = append(variable);
  first.value = value;
  first.event = no_event;
  first.released.clear();
  return variable;
}

memory::stored& memory::append(unsigned variable) noexcept {
  if (used_ == pool_size) {
    std::fputs("model: an execution has more stores than there is room for\n", stderr);
    std::abort();
  }
  stores_[variable].push_back(used_);
  return pool_[used_++];
}

std::uint16_t memory::newest(unsigned variable) const noexcept {
  return static_cast<std::uint16_t>(stores_[variable].size() - 1);
}
std::uint64_t memory::value_of(unsigned variable, std::uint16_t store) const noexcept {
  return at(variable, store).value;
}
std::uint32_t memory::event_of(unsigned variable, std::uint16_t store) const noexcept {
  return at(variable, store).event;
}

std::uint16_t memory::oldest_for(unsigned thread, unsigned variable, order how) const noexcept {
  const std::uint16_t seen = threads_[thread].current.store_of(variable);
  return how == order::sequential ? std::max(seen, sequential_.store_of(variable)) : seen;
}

void memory::observe(thread_state& self, unsigned variable, std::uint16_t store, order how) noexcept {
  self.current.raise(variable, store);
  const view& shown = at(variable, store).released;
  if (acquires(how)) {
    self.current.join(shown);
  } else {
    self.acquirable.join(shown);
  }
}

void memory::load(unsigned thread, unsigned variable, std::uint16_t store, order how) noexcept {
  thread_state& self = threads_[thread];
  observe(self, variable, store, how);
  if (how == order::sequential) {
    sequential_.raise(variable, store);
  }
  ++self.current.clock[thread];
}

void memory::store(unsigned thread, unsigned variable, std::uint64_t value, order how, std::uint32_t event) noexcept {
  thread_state& self = threads_[thread];
  stored& fresh = append(variable);
  const std::uint16_t number = newest(variable);
  self.current.raise(variable, number);
  fresh.value = value;
  fresh.event = event;
  fresh.released.assign(releases(how) ? self.current : self.released);
  fresh.released.raise(variable, number);
  if (how == order::sequential) {
    sequential_.raise(variable, number);
  }
  ++self.current.clock[thread];
}

void memory::modify(unsigned thread, unsigned variable, std::uint64_t value, order how, std::uint32_t event) noexcept {
  thread_state& self = threads_[thread];
  const std::uint16_t before = newest(variable);
  observe(self, variable, before, how);
  stored& fresh = append(variable);
  const std::uint16_t number = newest(variable);
  self.current.raise(variable, number);
  fresh.value = value;
  fresh.event = event;
  fresh.released.assign(releases(how) ? self.current : self.released);
  fresh.released.join(at(variable, before).released);
  fresh.released.raise(variable, number);
  if (how == order::sequential) {
    sequential_.raise(variable, number);
  }
  ++self.current.clock[thread];
}

void memory::fence(unsigned thread, order how) noexcept {
  thread_state& self = threads_[thread];
  if (acquires(how)) {
    self.current.join(self.acquirable);
  }
  if (how == order::sequential) {
    self.current.join_stores(sequential_);
    sequential_.join_stores(self.current);
  }
  if (releases(how)) {
    self.released.assign(self.current);
  }
  ++self.current.clock[thread];
}

void memory::light_fence(unsigned thread) noexcept {
  thread_state& self = threads_[thread];
  self.current.join_stores(heavy_);
  light_.join_stores(self.current);
  ++self.current.clock[thread];
}

void memory::heavy_fence(unsigned thread) noexcept {
  threads_[thread].current.join_stores(light_);
  fence(thread, order::sequential);
  heavy_.join_stores(threads_[thread].current);
}

void memory::catch_up(unsigned thread, unsigned variable, std::uint16_t store) noexcept {
  threads_[thread].current.raise(variable, store);
}

}  // namespace model
