/* SPDX-License-Identifier: MIT */
/*
 * One line per event on stderr, with a journal priority prefix when stderr is the journal. Thread-safe:
 * a line is written by one write(2). Lines read `what happened key=value ...`.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdbool.h>

#include "util/macro.h"

/* Levels are syslog's, so that a number means the same in the journal. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Lines above `level` are dropped. Call before threads start. */
void log_setup(enum log_level level);
/* Another level, at any time. */
void log_set_level(enum log_level level);
/* From now on to syslog(3): a background process has no terminal to write to. */
void log_to_syslog(void);

/*
 * Let go of syslog's socket, if there is one; the next line connects anew. For who closes descriptors that are not his:
 * the C library would go on with the number, and close whatever has it then.
 */
void log_disconnect(void);
/*
 * The process goes to the background: standard input, output and error are /dev/null from now on, and the log is
 * syslog's; but standard error that is a file was meant as a log, and stays it.
 */
void log_leave_terminal(void);
/* Nothing more of the calling thread: where the others write is not among its descriptors. */
void log_mute_thread(void);
bool log_enabled(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
	do {                                                                                       \
		if (log_enabled(LOG_LEVEL_DEBUG))                                                  \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__);                                    \
	} while (0)

/* The name of a positive or negative errno value, "ENOENT"; "E?" for a number without a name. */
const char *log_errname(int err);

#endif
