/* Small pieces of the C library that Swift cannot import: stdio's streams are macros or mutable
   globals, prctl is variadic, and a futex has no wrapper. */
#ifndef DSV3_SYSTEM_SHIM_H
#define DSV3_SYSTEM_SHIM_H
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline FILE *dsv3_stdout(void) { return stdout; }
static inline FILE *dsv3_stderr(void) { return stderr; }

/* Sleeping threads wake on time instead of 50 us late. */
static inline void dsv3_exact_timers(void) { prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }
#endif
