/* Read before each file of QuickJS when it is compiled for WASI (scripts/guests.sh).
 *
 * QuickJS switches its check of the stack off where `__wasi__` is defined, since nothing tells it how large the stack is.
 * Here the stack is known (src/limits.rs), so the check works as on any machine, and must: without it, endless recursion runs
 * over the stack's end and the instance is lost together with its batch. The headers of the C library, which do need the
 * name, are read first. `__GLIBC__` makes QuickJS ask `malloc_usable_size`, without which it counts no memory. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fenv.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#undef __wasi__
#define __GLIBC__ 2
