// What the sanitizers must be told about stack switches and pooled memory; the only file that names one.
//
// ThreadSanitizer sees each stack as a fiber. Switches are made without a synchronising edge, so that it checks our own
// memory orders: an edge exists from the waker to the woken task (publish/observe on the task), and from the last user
// of pooled memory to the next one (publish/observe on the memory). AddressSanitizer is told of every switch.
#pragma once

#include "sched/base/config.h"

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define CSP_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CSP_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define CSP_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CSP_TSAN 1
#endif
#endif

#if defined(CSP_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if defined(CSP_TSAN)
#include <sanitizer/tsan_interface.h>

#include <cerrno>

extern "C" void AnnotateIgnoreReadsBegin(const char* file, int line);
extern "C" void AnnotateIgnoreReadsEnd(const char* file, int line);
extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
extern "C" void AnnotateBenignRaceSized(const char* file, int line, const void* address, std::size_t size,
                                        const char* reason);
/// Memory that one thread uses on behalf of many tasks: not seen by ThreadSanitizer.
#define CSP_NO_TSAN __attribute__((no_sanitize("thread"), noinline))
/// Part of a stack switch: neither instrumented nor a frame of its own.
#define CSP_SWITCH_INLINE inline __attribute__((always_inline, no_sanitize("thread")))
/// A whole stack switch: ThreadSanitizer must not see its accesses, and inlining would show them to it.
#define CSP_SWITCH_FUNCTION static __attribute__((noinline, no_sanitize("thread")))
#else
#define CSP_SWITCH_FUNCTION static CSP_ALWAYS_INLINE
#define CSP_NO_TSAN
#define CSP_SWITCH_INLINE CSP_ALWAYS_INLINE
#endif

/// The first function on a stack, which never returns: its frame must not be counted.
#define CSP_FIRST_FRAME __attribute__((no_sanitize("address", "thread")))

/// A function that reads arguments which its caller may have left out, from where they would be.
#define CSP_NO_ASAN __attribute__((no_sanitize("address")))

namespace csp::inline v0::detail::sanitizer {

#if defined(CSP_TSAN)
inline constexpr bool thread_sanitizer = true;
/// Fences are invisible to it.
inline constexpr bool sees_fences = false;
/// A signal waits until its thread calls a function that the sanitizer intercepts; syscall(2) is none.
inline constexpr bool holds_signals_back = true;
/// Threads that the sanitizer runs beside the program's.
inline constexpr unsigned background_threads = 1;
#else
inline constexpr bool thread_sanitizer = false;
inline constexpr bool sees_fences = true;
inline constexpr bool holds_signals_back = false;
inline constexpr unsigned background_threads = 0;
#endif
#if defined(CSP_ASAN)
inline constexpr bool address_sanitizer = true;
#else
inline constexpr bool address_sanitizer = false;
#endif

/// Everything that the caller did becomes visible to whoever calls observe() with the same address later.
CSP_ALWAYS_INLINE void publish([[maybe_unused]] void* address) noexcept {
#if defined(CSP_TSAN)
  __tsan_release(address);
#endif
}

/// The other end of publish().
CSP_ALWAYS_INLINE void observe([[maybe_unused]] void* address) noexcept {
#if defined(CSP_TSAN)
  __tsan_acquire(address);
#endif
}

/// Memory that belongs to one OS thread, whose tasks use it one after another in program order. ThreadSanitizer takes
/// tasks for threads and would report them.
inline void thread_private([[maybe_unused]] const void* address, [[maybe_unused]] std::size_t size) noexcept {
#if defined(CSP_TSAN)
  AnnotateBenignRaceSized(__FILE__, __LINE__, address, size, "used by the tasks of one thread in turn");
#endif
}

/// Memory that is never used again and never freed: what it refers to is not leaked.
inline void keep_reachable([[maybe_unused]] const void* address, [[maybe_unused]] std::size_t size) noexcept {
#if defined(CSP_ASAN)
  __lsan_register_root_region(address, size);
#endif
}

/// While it lives, ThreadSanitizer does not look at the calling fiber's accesses: for code of others whose fences it
/// cannot follow, and for frames on a stack that belongs to another fiber. Atomic operations still make edges; others
/// must be given by publish() and observe(). No switch meanwhile.
class [[maybe_unused]] unseen {
 public:
#if defined(CSP_TSAN)
  unseen() noexcept {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  unseen() noexcept {}  // not defaulted: a variable that is never looked at
  ~unseen() {}
#endif
  unseen(const unseen&) = delete;
  unseen& operator=(const unseen&) = delete;
};

/// One stack as the sanitizers see it.
struct fiber {
#if defined(CSP_TSAN)
  void* handle = nullptr;
#endif
#if defined(CSP_ASAN)
  void* fake_stack = nullptr;
  const void* bottom = nullptr;
  std::size_t size = 0;
#endif
};

/// Describes a task stack [bottom, bottom + size) at the start of a task. `handle` is kept with the stack's memory and
/// is made at the first use: tasks that follow one another on a stack are ordered by that memory anyway.
CSP_SWITCH_INLINE void bind(fiber& target, [[maybe_unused]] void*& handle, [[maybe_unused]] const void* bottom,
                            [[maybe_unused]] std::size_t size) noexcept {
  static_cast<void>(target);
#if defined(CSP_TSAN)
  if (handle == nullptr) {
    handle = __tsan_create_fiber(0);
  }
  target.handle = handle;
#endif
#if defined(CSP_ASAN)
  target.fake_stack = nullptr;
  target.bottom = bottom;
  target.size = size;
#endif
}

/// The memory of a stack goes back to the kernel: what bind() made for it goes too. Nobody runs on it.
inline void destroy_handle([[maybe_unused]] void*& handle) noexcept {
#if defined(CSP_TSAN)
  if (handle != nullptr) {
    __tsan_destroy_fiber(handle);
    handle = nullptr;
  }
#endif
}

/// Nobody may touch [begin, begin + size) until unpoison(): AddressSanitizer reports who does.
inline void poison([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t size) noexcept {
#if defined(CSP_ASAN)
  __asan_poison_memory_region(begin, size);
#endif
}
inline void unpoison([[maybe_unused]] const void* begin, [[maybe_unused]] std::size_t size) noexcept {
#if defined(CSP_ASAN)
  __asan_unpoison_memory_region(begin, size);
#endif
}
/// True when a byte is poisoned; false where nothing can be.
[[nodiscard]] inline bool is_poisoned([[maybe_unused]] const void* address) noexcept {
#if defined(CSP_ASAN)
  return __asan_address_is_poisoned(address) != 0;
#else
  return false;
#endif
}

/// A fiber without a stack of its own: between a task that was left and the next one, the commit runs as this.
inline void create(fiber& target) noexcept {
  static_cast<void>(target);
#if defined(CSP_TSAN)
  target.handle = __tsan_create_fiber(0);
#endif
}
inline void destroy(fiber& target) noexcept {
  static_cast<void>(target);
#if defined(CSP_TSAN)
  __tsan_destroy_fiber(target.handle);
  target.handle = nullptr;
#endif
}

/// Describes the stack of the calling thread. ASan learns its bounds at the first switch away.
inline void adopt_thread(fiber& target) noexcept {
  static_cast<void>(target);
#if defined(CSP_TSAN)
  target.handle = __tsan_get_current_fiber();
  thread_private(&errno, sizeof errno);  // saved and restored by each switch
#endif
}

/// Right before the jump away from `from`; `last` when `from` never runs again.
CSP_SWITCH_INLINE void before_jump([[maybe_unused]] fiber& from, [[maybe_unused]] const fiber& to,
                                   [[maybe_unused]] bool last) noexcept {
#if defined(CSP_ASAN)
  __sanitizer_start_switch_fiber(last ? nullptr : &from.fake_stack, to.bottom, to.size);
#endif
}

/// First thing on the stack of `to`, on which the caller arrived from `from`.
CSP_SWITCH_INLINE void after_jump([[maybe_unused]] fiber& from, [[maybe_unused]] fiber& to,
                                  [[maybe_unused]] bool from_is_thread) noexcept {
#if defined(CSP_ASAN)
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(to.fake_stack, &bottom, &size);
  if (from_is_thread) {
    from.bottom = bottom;
    from.size = size;
  }
#endif
}

/// From here on the caller is `to` for ThreadSanitizer.
CSP_SWITCH_INLINE void become([[maybe_unused]] const fiber& to) noexcept {
#if defined(CSP_TSAN)
  __tsan_switch_to_fiber(to.handle, __tsan_switch_to_fiber_no_sync);
#endif
}

}  // namespace csp::inline v0::detail::sanitizer
