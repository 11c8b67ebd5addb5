/* SPDX-License-Identifier: MIT */
/* Log lines, caught in a temporary file that stands in for stderr. */
#include "util/log.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"
#include "util/cleanup.h"

#define LONG_TEXT 5000

static int saved_stderr;
static int caught_fd;
static char caught[2 * LONG_TEXT];

static void set_up(void)
{
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	caught_fd = dup(fileno(file));
	ck_assert_int_ge(caught_fd, 0);
	(void)fclose(file);
	saved_stderr = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(caught_fd, STDERR_FILENO), 0);
	ck_assert_int_eq(unsetenv("JOURNAL_STREAM"), 0);
}

static void tear_down(void)
{
	(void)dup2(saved_stderr, STDERR_FILENO);
	saved_stderr = safe_close(saved_stderr);
	caught_fd = safe_close(caught_fd);
	(void)unsetenv("JOURNAL_STREAM");
	log_setup(LOG_LEVEL_INFO);
}

static const char *caught_text(void)
{
	ssize_t n = pread(caught_fd, caught, sizeof(caught) - 1, 0);

	ck_assert_int_ge(n, 0);
	caught[n] = '\0';
	return caught;
}

START_TEST(errors_and_warnings_say_so)
{
	log_setup(LOG_LEVEL_INFO);
	log_error("op=%s err=%s", "rename", log_errname(-ENOSPC));
	log_warning("slow");
	log_notice("mounted");
	log_info("a=1");
	ck_assert_str_eq(caught_text(), "batonfs: error: op=rename err=ENOSPC\n"
					"batonfs: warning: slow\n"
					"batonfs: mounted\n"
					"batonfs: a=1\n");
}
END_TEST

START_TEST(lines_above_the_level_are_dropped)
{
	log_setup(LOG_LEVEL_WARNING);
	ck_assert(!log_enabled(LOG_LEVEL_NOTICE));
	ck_assert(log_enabled(LOG_LEVEL_WARNING));
	log_notice("no");
	log_debug("no");
	log_warning("yes");
	ck_assert_str_eq(caught_text(), "batonfs: warning: yes\n");
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
	char stream[64];
	struct stat st;

	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	(void)snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		       (unsigned long long)st.st_ino);
	ck_assert_int_eq(setenv("JOURNAL_STREAM", stream, 1), 0);
	log_setup(LOG_LEVEL_INFO);
	log_error("bad");
	log_info("good");
	ck_assert_str_eq(caught_text(), "<3>bad\n<6>good\n");
}
END_TEST

START_TEST(a_journal_that_stderr_is_not_changes_nothing)
{
	ck_assert_int_eq(setenv("JOURNAL_STREAM", "0:0", 1), 0);
	log_setup(LOG_LEVEL_INFO);
	log_info("plain");
	ck_assert_str_eq(caught_text(), "batonfs: plain\n");
}
END_TEST

START_TEST(a_long_line_is_cut_and_ends)
{
	_cleanup_free_ char *text = malloc(LONG_TEXT + 1);
	size_t len;

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', LONG_TEXT);
	text[LONG_TEXT] = '\0';
	log_setup(LOG_LEVEL_INFO);
	log_info("%s", text);
	len = strlen(caught_text());
	ck_assert_uint_gt(len, 1000);
	ck_assert_uint_lt(len, 4096);
	ck_assert_int_eq(caught[len - 1], '\n');
	ck_assert_int_eq(caught[len - 2], 'x');
}
END_TEST

START_TEST(nobody_forges_a_line)
{
	log_setup(LOG_LEVEL_INFO);
	log_info("name=%s", "x\nbatonfs: error: all is lost\r\x1b]0;title\x07\x7f\t\xc2\x9b"
			    "2J\xc3\xa4\xff");
	ck_assert_str_eq(caught_text(),
			 "batonfs: name=x?batonfs: error: all is lost??]0;title????\x3f"
			 "2J\xc3\xa4\xff\n");
}
END_TEST

START_TEST(errno_survives)
{
	log_setup(LOG_LEVEL_INFO);
	ck_assert_int_eq(dup2(caught_fd, STDERR_FILENO), STDERR_FILENO);
	(void)close(STDERR_FILENO);
	errno = ENOTEMPTY;
	log_info("nowhere to go");
	ck_assert_int_eq(errno, ENOTEMPTY);
}
END_TEST

START_TEST(errnos_have_names)
{
	ck_assert_str_eq(log_errname(ENOENT), "ENOENT");
	ck_assert_str_eq(log_errname(-ENOENT), "ENOENT");
	ck_assert_str_eq(log_errname(99999), "E?");
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		errors_and_warnings_say_so,
		lines_above_the_level_are_dropped,
		the_journal_gets_priorities,
		a_journal_that_stderr_is_not_changes_nothing,
		a_long_line_is_cut_and_ends,
		nobody_forges_a_line,
		errno_survives,
		errnos_have_names,
	};

	return RUN_TESTS("log", tests, set_up, tear_down);
}
