/* SPDX-License-Identifier: MIT */
/*
 * What a terminal is told meanwhile. The client is no library: its sources are included.
 */
#include "../../tools/progress.c"

#include "../../tools/say.c"

#include <check.h>
#include <poll.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

static int terminal; /* what is written to standard error comes out of it */
static int saved;

static void setup(void)
{
	int end;

	ck_assert_int_eq(openpty(&terminal, &end, NULL, NULL, NULL), 0);
	saved = dup(STDERR_FILENO);
	ck_assert_int_ge(dup2(end, STDERR_FILENO), 0);
	(void)close(end);
}

static void teardown(void)
{
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	(void)close(terminal);
}

/* What comes within ms; as long as more may be wanted, it is waited for. */
static const char *shown(const char *wanted, int ms)
{
	static char text[4096];
	struct pollfd p = { .fd = terminal, .events = POLLIN };
	size_t len = 0;

	text[0] = '\0';
	while (!(wanted && strstr(text, wanted)) && poll(&p, 1, ms) > 0) {
		ssize_t n = read(terminal, text + len, sizeof(text) - 1 - len);

		ck_assert_int_gt(n, 0);
		len += (size_t)n;
		text[len] = '\0';
	}
	return text;
}

START_TEST(what_is_quick_tells_nothing)
{
	struct progress_clock clock;
	struct progress p;

	progress_begin(&p, 100, NULL);
	progress_at(&p, 50);
	progress_end(&p);
	progress_clock_begin(&clock, "hashing");
	progress_clock_end(&clock);
	ck_assert_str_eq(shown(NULL, 0), "");
}
END_TEST

START_TEST(what_takes_long_tells_how_far_it_is)
{
	struct progress p;
	const char *text;

	progress_begin(&p, UINT64_C(4) << 20, NULL);
	p.begin_mono_ns -= 2 * NS_PER_S;
	p.next_mono_ns -= 2 * NS_PER_S;
	progress_at(&p, UINT64_C(1) << 20);
	progress_at(&p, UINT64_C(2) << 20); /* too soon for another line */
	progress_end(&p);
	text = shown(NULL, 100);
	ck_assert_ptr_nonnull(strstr(text, "\r\033[K1.00 MiB of 4.00 MiB, "));
	ck_assert_ptr_nonnull(strstr(text, "KiB/s, "));
	ck_assert_ptr_nonnull(strstr(text, " left\r\033[K"));
	ck_assert_ptr_null(strstr(text, "2.00 MiB of"));
}
END_TEST

START_TEST(units_and_unknown_ends_have_words)
{
	struct progress p;
	const char *text;

	progress_begin(&p, 0, "files");
	p.next_mono_ns = 0;
	progress_at(&p, 7);
	text = shown(NULL, 100);
	ck_assert_ptr_nonnull(strstr(text, "7 files, "));
	ck_assert_ptr_null(strstr(text, "left"));
}
END_TEST

START_TEST(what_only_takes_time_tells_how_long)
{
	struct progress_clock clock;

	progress_clock_begin(&clock, "hashing");
	ck_assert_ptr_nonnull(strstr(shown("hashing: 1 s", 30000), "\r\033[Khashing: 1 s"));
	progress_clock_end(&clock);
	ck_assert_str_eq(shown(NULL, 100), "\r\033[K");
}
END_TEST

/* 10 more at each look. */
static bool look(void *arg, struct progress_view *ret)
{
	uint64_t *done = arg;

	*ret = (struct progress_view){ .what = "checking", .unit = "files", .whole = 1000000 };
	ret->done = *done += 10;
	return true;
}

START_TEST(what_others_do_tells_how_far_it_is)
{
	struct progress_clock clock;
	uint64_t done = 0;
	const char *text;

	progress_clock_look(&clock, "waiting", look, &done);
	text = shown(" left", 30000);
	progress_clock_end(&clock);
	ck_assert_ptr_nonnull(strstr(text, "\r\033[Kchecking: "));
	ck_assert_ptr_nonnull(strstr(text, " of 1000000 files, "));
	ck_assert_ptr_nonnull(strstr(text, "/s, "));
	ck_assert_ptr_null(strstr(text, "waiting"));
	ck_assert_uint_gt(done, 10); /* a rate takes two looks */
}
END_TEST

static bool know_nothing(void *arg, struct progress_view *ret)
{
	(void)arg;
	(void)ret;
	return false;
}

START_TEST(what_nobody_knows_tells_how_long)
{
	struct progress_clock clock;

	progress_clock_look(&clock, "waiting", know_nothing, NULL);
	ck_assert_ptr_nonnull(strstr(shown("waiting: 1 s", 30000), "\r\033[Kwaiting: 1 s"));
	progress_clock_end(&clock);
}
END_TEST

START_TEST(what_is_forbidden_is_not_told)
{
	struct progress_clock clock;
	struct progress p;

	progress_forbid();
	progress_begin(&p, 0, "files");
	p.next_mono_ns = 0;
	progress_at(&p, 7);
	progress_clock_begin(&clock, "hashing");
	ck_assert(!clock.running);
	progress_clock_end(&clock);
	ck_assert_str_eq(shown(NULL, 0), "");
	forbidden = false;
}
END_TEST

START_TEST(no_terminal_is_told_nothing)
{
	struct progress_clock clock;
	struct progress p;
	int end[2];

	ck_assert_int_eq(pipe(end), 0);
	ck_assert_int_ge(dup2(end[1], STDERR_FILENO), 0);
	progress_begin(&p, 0, NULL);
	p.next_mono_ns = 0;
	progress_at(&p, 7);
	progress_end(&p);
	progress_clock_begin(&clock, "hashing");
	ck_assert(!clock.running);
	progress_clock_end(&clock);
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = end[0], .events = POLLIN }, 1, 0), 0);
	(void)close(end[0]);
	(void)close(end[1]);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		what_is_quick_tells_nothing,	    what_takes_long_tells_how_far_it_is,
		units_and_unknown_ends_have_words,  what_only_takes_time_tells_how_long,
		what_others_do_tells_how_far_it_is, what_nobody_knows_tells_how_long,
		what_is_forbidden_is_not_told,	    no_terminal_is_told_nothing,
	};

	return RUN_TESTS("progress", tests, setup, teardown);
}
