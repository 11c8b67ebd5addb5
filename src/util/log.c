/* SPDX-License-Identifier: MIT */
/*
 * Log lines. File-scope state: the settings, written before threads start but for the level, and a thread's own.
 */
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/printable.h"

/* Longest line, bytes; a longer one is cut. Source: below PIPE_BUF (4096), so write(2) is atomic. */
#define LINE_MAX_BYTES 2048

static _Atomic int max_level = LOG_LEVEL_INFO;
static bool to_journal;
static bool to_syslog;
static _Thread_local bool muted;

/* What stands for the level where there is no journal to show it; tests look for "error: ". */
static const char *level_word(enum log_level level)
{
	return level <= LOG_LEVEL_ERROR ? "error: " : level == LOG_LEVEL_WARNING ? "warning: " : "";
}

/* stderr is the journal if it is the socket that JOURNAL_STREAM names: see systemd.exec(5). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev;
	unsigned long long ino;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
		return false;
	return fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void log_setup(enum log_level level)
{
	log_set_level(level);
	to_journal = stderr_is_journal();
}

void log_set_level(enum log_level level)
{
	atomic_store(&max_level, (int)level);
}

void log_to_syslog(void)
{
	openlog("batonfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	to_syslog = true;
}

void log_disconnect(void)
{
	if (!to_syslog)
		return;
	closelog();
	openlog("batonfs", LOG_PID, LOG_DAEMON);
}

void log_leave_terminal(void)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct stat st;

	if (null < 0)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	if (fstat(STDERR_FILENO, &st) < 0 || !S_ISREG(st.st_mode)) {
		log_to_syslog();
		(void)dup2(null, STDERR_FILENO);
	}
}

void log_mute_thread(void)
{
	muted = true;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&max_level, memory_order_relaxed) && !muted;
}

/* What goes before a line: nothing, the journal's priority, or who we are. */
static int put_head(enum log_level level, char *line, size_t size)
{
	line[0] = '\0';
	if (to_syslog)
		return 0;
	return to_journal ? snprintf(line, size, "<%d>", level)
			  : snprintf(line, size, "batonfs: %s", level_word(level));
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	int saved = errno;
	va_list args;
	int len;
	int n;

	if (!log_enabled(level))
		return;
	len = put_head(level, line, sizeof(line));
	va_start(args, fmt);
	n = vsnprintf(line + len, sizeof(line) - (size_t)len - 1, fmt, args);
	va_end(args);
	if (n > 0)
		len = (int)MIN_OF((size_t)(len + n), sizeof(line) - 2);
	(void)printable(line);
	if (to_syslog) {
		syslog((int)level, "%s", line);
	} else {
		line[len++] = '\n';
		(void)!write(STDERR_FILENO, line, (size_t)len); /* nowhere left to report to */
	}
	errno = saved;
}

const char *log_errname(int err)
{
	const char *name = strerrorname_np(err < 0 ? -err : err);

	return name ? name : "E?";
}
