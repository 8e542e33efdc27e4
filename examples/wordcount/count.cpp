// The table is plain open addressing with linear probing; see count.h.

#include "count.h"

#include <algorithm>
#include <array>
#include <utility>

namespace wordcount {

namespace {

constexpr std::size_t first_slots = 1024;
constexpr std::size_t memory_block = 16 * 1024;

// For each byte the lower-case letter, or 0 for all that is no letter.
constexpr std::array<char, 256> make_letters() {
  std::array<char, 256> table{};
  for (std::size_t i = 0; i < 26; ++i) {
    table['a' + i] = table['A' + i] = static_cast<char>('a' + i);
  }
  return table;
}

constexpr std::array<char, 256> letters = make_letters();

char letter(char byte) { return letters[static_cast<unsigned char>(byte)]; }

// FNV-1a, byte by byte while the word is split off, with a last step that spreads the entropy to
// the low bits (slots) and the high bits (shards).
constexpr std::uint64_t hash_start = 0xcbf29ce484222325;

std::uint64_t hash_byte(std::uint64_t hash, char byte) {
  return (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
}

std::uint64_t hash_end(std::uint64_t hash) {
  hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

}  // namespace

void word_table::add(std::string_view word, std::uint64_t hash, std::uint64_t count) {
  if (2 * size_ >= slots_.size()) {
    grow();
  }
  word_entry& slot = find_slot(word, hash);
  if (slot.count == 0) {
    slot.word = keep(word);
    slot.hash = hash;
    ++size_;
  }
  slot.count += count;
}

void word_table::merge(word_table other) {
  if (size_ < other.size_) {
    std::swap(*this, other);  // fewer words to add
  }
  other.for_each([this](const word_entry& entry) { add(entry.word, entry.hash, entry.count); });
}

// The slot of `word`, or the free one where it belongs.
word_entry& word_table::find_slot(std::string_view word, std::uint64_t hash) {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = hash & mask;; i = (i + 1) & mask) {
    word_entry& slot = slots_[i];
    if (slot.count == 0 || (slot.hash == hash && slot.word == word)) {
      return slot;
    }
  }
}

std::string_view word_table::keep(std::string_view word) {
  if (memory_.empty() || memory_.back().capacity() - memory_.back().size() < word.size()) {
    memory_.emplace_back().reserve(std::max(memory_block, word.size()));
  }
  std::vector<char>& memory = memory_.back();
  const std::size_t begin = memory.size();
  memory.insert(memory.end(), word.begin(), word.end());
  return {memory.data() + begin, word.size()};
}

void word_table::grow() {
  std::vector<word_entry> old(std::max(first_slots, 2 * slots_.size()));
  old.swap(slots_);
  for (const word_entry& entry : old) {
    if (entry.count != 0) {
      find_slot(entry.word, entry.hash) = entry;
    }
  }
}

void count_words(std::span<char> text, std::span<word_table, shard_count> shards) {
  char* at = text.data();
  char* const end = at + text.size();
  for (;;) {
    while (at != end && letter(*at) == 0) {
      ++at;
    }
    if (at == end) {
      return;
    }
    char* const word = at;
    std::uint64_t hash = hash_start;
    for (char lower; at != end && (lower = letter(*at)) != 0; ++at) {
      *at = lower;
      hash = hash_byte(hash, lower);
    }
    hash = hash_end(hash);
    const std::size_t shard = (hash >> 56) % shard_count;
    shards[shard].add({word, static_cast<std::size_t>(at - word)}, hash, 1);
  }
}

}  // namespace wordcount
