/* Small pieces of the C library that Swift cannot import: stdio's streams are macros or mutable
   globals, prctl and ioctl are variadic, and a futex has no wrapper. */
#ifndef DSV3_SYSTEM_SHIM_H
#define DSV3_SYSTEM_SHIM_H
#include <errno.h>
#include <linux/futex.h>
#include <linux/stat.h>
#include <spawn.h>
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

/* The same of its rows. */
static inline int dsv3_terminal_rows(int descriptor) {
  struct winsize size;
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_row : 0;
}

/* When a file was made, in seconds since 1970; 0 where the file system doesn't know (the C library
   shows statx under _GNU_SOURCE only). */
static inline double dsv3_birth_time(const char *path) {
  struct statx status;
  if (syscall(SYS_statx, -100 /* AT_FDCWD */, path, 0, STATX_BTIME, &status) != 0) return 0;
  if (!(status.stx_mask & STATX_BTIME)) return 0;
  return status.stx_btime.tv_sec + status.stx_btime.tv_nsec / 1e9;
}

/* Sleeping threads wake on time instead of 50 us late. */
static inline void dsv3_exact_timers(void) { prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }

/* This process is killed when its parent ends. Whether the parent is still the one it was; if it had
   ended before the first line here, MPI finds nobody to speak to. */
static inline int dsv3_die_with_parent(void) {
  pid_t parent = getppid();
  return prctl(PR_SET_PDEATHSIG, 9UL /* SIGKILL */, 0UL, 0UL, 0UL) == 0 && getppid() == parent;
}

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

/* The environment's table is a mutable global. */
extern char **environ;
static inline char **dsv3_environment(void) { return environ; }

/* For starting children. Linux has these; the headers show them under _GNU_SOURCE only. */
extern int pipe2(int ends[2], int flags);
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);
static inline int dsv3_pipe(int *ends, int flags) { return pipe2(ends, flags); }
static inline void dsv3_spawn_closing_from(posix_spawn_file_actions_t *actions, int first) {
  posix_spawn_file_actions_addclosefrom_np(actions, first);
}
static inline void dsv3_spawn_in(posix_spawn_file_actions_t *actions, const char *directory) {
  posix_spawn_file_actions_addchdir_np(actions, directory);
}

/* From now on the kernel sends this process a signal when its parent dies (prctl is variadic). It
   stays so across exec. */
static inline int dsv3_signal_when_parent_dies(int signal) {
  return prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0UL, 0UL, 0UL);
}

/* Swift imports RUSAGE_SELF as an enumeration that getrusage does not take. */
static inline int dsv3_rusage_self(void) { return RUSAGE_SELF; }

/* Square roots of eight floats: Swift's SIMD squareRoot() goes lane by lane. */
static inline void dsv3_square_roots(float *eight) {
  typedef float vector __attribute__((vector_size(32), aligned(4)));
  *(vector *)eight = __builtin_elementwise_sqrt(*(vector *)eight);
}

/* Eight rows of eight floats, `stride` apart, transposed (Swift shuffles lane by lane). */
static inline void dsv3_transpose_eight(
  const float *source, long stride, float *target, long target_stride
) {
  typedef float vector __attribute__((vector_size(32), aligned(4)));
#define ROW(i) (*(const vector *)(source + (i) * stride))
#define LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define FIRST(a, b) __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define SECOND(a, b) __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
  vector row[8] = {ROW(0), ROW(1), ROW(2), ROW(3), ROW(4), ROW(5), ROW(6), ROW(7)};
  vector part[8];
  for (int half = 0; half < 8; half += 4) {
    vector ab_low = LOW(row[half], row[half + 1]), ab_high = HIGH(row[half], row[half + 1]);
    vector cd_low = LOW(row[half + 2], row[half + 3]), cd_high = HIGH(row[half + 2], row[half + 3]);
    part[half] = FIRST(ab_low, cd_low);
    part[half + 1] = SECOND(ab_low, cd_low);
    part[half + 2] = FIRST(ab_high, cd_high);
    part[half + 3] = SECOND(ab_high, cd_high);
  }
  for (int i = 0; i < 4; i++) {
    *(vector *)(target + i * target_stride) =
      __builtin_shufflevector(part[i], part[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(vector *)(target + (i + 4) * target_stride) =
      __builtin_shufflevector(part[i], part[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
#undef ROW
#undef LOW
#undef HIGH
#undef FIRST
#undef SECOND
}
#endif
