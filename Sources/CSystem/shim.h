/* Small pieces of the C library that Swift cannot import: stdio's streams are macros or mutable
   globals, prctl and ioctl are variadic, and a futex has no wrapper. */
#ifndef DSV3_SYSTEM_SHIM_H
#define DSV3_SYSTEM_SHIM_H
#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline FILE *dsv3_stdout(void) { return stdout; }
static inline FILE *dsv3_stderr(void) { return stderr; }

/* Columns of the terminal behind a descriptor, 0 when there is none (ioctl is variadic). */
static inline int dsv3_terminal_columns(int descriptor) {
  struct winsize size;
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Sleeping threads wake on time instead of 50 us late. */
static inline void dsv3_exact_timers(void) { prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }

/* The doorbell of waiting ranks: 32-bit words in memory that several processes map, and a futex on
   them (not the private kind). Everything is sequentially consistent: ringer and sleeper each write
   one word and read the other's. */
static inline uint32_t dsv3_load(const uint32_t *word) {
  return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}
static inline void dsv3_store(uint32_t *word, uint32_t value) {
  __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}
static inline uint32_t dsv3_increment(uint32_t *word) {
  return __atomic_add_fetch(word, 1u, __ATOMIC_SEQ_CST);
}
/* Whether the time was over. */
static inline int dsv3_futex_wait(const uint32_t *word, uint32_t expected, int64_t nanoseconds) {
  struct timespec limit = {nanoseconds / 1000000000, nanoseconds % 1000000000};
  return syscall(SYS_futex, word, FUTEX_WAIT, expected, &limit, (void *)0, 0) == -1
    && errno == ETIMEDOUT;
}
static inline void dsv3_futex_wake(const uint32_t *word) {
  syscall(SYS_futex, word, FUTEX_WAKE, 1, (void *)0, (void *)0, 0);
}

/* Monotonic clock in nanoseconds. */
static inline int64_t dsv3_nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The processors this process may run on, as a bit mask of `bytes` bytes (rest zero). */
static inline void dsv3_affinity(void *mask, unsigned long bytes) {
  __builtin_memset(mask, 0, bytes);
  syscall(SYS_sched_getaffinity, 0, bytes, mask);
}

/* Whether the kernel lets processes copy from each other (containers often forbid the call). */
static inline int dsv3_may_copy_between_processes(void) {
  char from = 1, to = 0;
  struct { void *base; unsigned long length; } local = {&to, 1}, remote = {&from, 1};
  long copied = syscall(SYS_process_vm_readv, getpid(), &local, 1UL, &remote, 1UL, 0UL);
  return copied == 1 && to == 1;
}

/* Swift imports RUSAGE_SELF as an enumeration that getrusage does not take. */
static inline int dsv3_rusage_self(void) { return RUSAGE_SELF; }

/* Square roots of eight floats: Swift's SIMD squareRoot() goes lane by lane. */
static inline void dsv3_square_roots(float *eight) {
  typedef float vector __attribute__((vector_size(32), aligned(4)));
  *(vector *)eight = __builtin_elementwise_sqrt(*(vector *)eight);
}
#endif
