// A table of words and how often each was seen, and the splitting of text into words.
//
// A word is a maximal run of the letters A-Z and a-z, counted in lower case. All other bytes
// separate words, so any file can be read, text or not.
//
// Nothing here knows of tasks: a table belongs to one task at a time, and moves from task to task
// through channels. Words are kept in the table's own blocks of memory, so a table costs no
// allocation per word, and entries stay valid when the table is moved.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace wordcount {

struct word_entry {
  std::string_view word;
  std::uint64_t hash = 0;
  std::uint64_t count = 0;  // 0: the slot is free
};

class word_table {
 public:
  // Adds `count` sightings of `word`, whose hash is `hash`; keeps a copy of a word that is new.
  void add(std::string_view word, std::uint64_t hash, std::uint64_t count);

  // Adds all that `other` counted.
  void merge(word_table other);

  // The number of different words.
  std::size_t size() const { return size_; }

  // Calls f(const word_entry&) for every word, in no particular order.
  template <class F>
  void for_each(F f) const {
    for (const word_entry& slot : slots_) {
      if (slot.count != 0) {
        f(slot);
      }
    }
  }

 private:
  word_entry& find_slot(std::string_view word, std::uint64_t hash);
  std::string_view keep(std::string_view word);
  void grow();

  std::vector<word_entry> slots_;  // open addressing, a power of two, at most half full
  std::size_t size_ = 0;
  std::vector<std::vector<char>> memory_;  // the words; none of the inner vectors reallocates
};

// One job's counts are spread over this many tables by the words' hash, so that the tables of
// several tasks can be merged in parallel. Enough for as many processors, and not so many that the
// tables of a small job are mostly free slots.
inline constexpr std::size_t shard_count = 16;

// Counts the words of `text` into shard_count tables. Turns `text` into lower case on the way.
void count_words(std::span<char> text, std::span<word_table, shard_count> shards);

}  // namespace wordcount
