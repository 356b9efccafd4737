#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace optcore::runtime {

/// What the kernel says a thread of this process waits for.
struct ThreadWait {
  enum class Kind : std::uint8_t { unknown, running, futex, sleep, io };
  Kind kind = Kind::unknown;
  std::uintptr_t address = 0;  ///< of the futex
};

/// Reads /proc/self/task/TID/syscall (Linux; elsewhere unknown): about 10 us.
inline ThreadWait thread_wait(unsigned long tid) noexcept {
  ThreadWait wait;
#if defined(__linux__) && defined(__x86_64__)
  char path[64], text[128];
  std::snprintf(path, sizeof path, "/proc/self/task/%lu/syscall", tid);
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return wait;
  const ssize_t n = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (n <= 0) return wait;
  text[n] = 0;
  if (text[0] == 'r') {  // "running"
    wait.kind = ThreadWait::Kind::running;
    return wait;
  }
  char* end = text;
  const long number = std::strtol(text, &end, 10);
  switch (number) {
    case SYS_futex:
      wait.kind = ThreadWait::Kind::futex;
      wait.address = std::strtoul(end, nullptr, 16);
      break;
    case SYS_nanosleep:
    case SYS_clock_nanosleep: wait.kind = ThreadWait::Kind::sleep; break;
    case -1: break;  // stopped outside a system call: a page fault
    default: wait.kind = ThreadWait::Kind::io;
  }
#else
  static_cast<void>(tid);
#endif
  return wait;
}

/// CPU time of a thread of this process in ns, or -1.
inline std::int64_t thread_cpu_ns(unsigned long tid) noexcept {
#if defined(__linux__)
  if (tid == 0) return -1;
  timespec t{};
  const auto clock = static_cast<clockid_t>((~static_cast<unsigned>(tid) << 3) | 6U);
  if (::clock_gettime(clock, &t) != 0) return -1;
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
#else
  static_cast<void>(tid);
  return -1;
#endif
}

}  // namespace optcore::runtime
