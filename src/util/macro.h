/* SPDX-License-Identifier: MIT */
/*
 * Compiler attributes and small macros that every file may use. Knows nothing of this project.
 */
#ifndef UTIL_MACRO_H
#define UTIL_MACRO_H

#include <stddef.h>

#define NORETURN __attribute__((noreturn))
#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MIN_OF(a, b)                                                                               \
	({                                                                                         \
		__typeof__(a) min_a_ = (a);                                                        \
		__typeof__(b) min_b_ = (b);                                                        \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})

#define MAX_OF(a, b)                                                                               \
	({                                                                                         \
		__typeof__(a) max_a_ = (a);                                                        \
		__typeof__(b) max_b_ = (b);                                                        \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})

/* a - b, but not below 0. */
#define LESS_OF(a, b)                                                                              \
	({                                                                                         \
		__typeof__(a) less_a_ = (a);                                                       \
		__typeof__(b) less_b_ = (b);                                                       \
		less_a_ > less_b_ ? less_a_ - less_b_ : 0;                                         \
	})

#endif
