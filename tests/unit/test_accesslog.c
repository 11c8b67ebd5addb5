/* SPDX-License-Identifier: MIT */
#include "fuse/accesslog.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static struct accesslog *l;
static char buf[ACCESSLOG_READ_MAX];

static const struct accesslog_who root = { .number = 3, .uid = 0, .tid = 10 };
static const struct accesslog_who user = { .number = 4, .uid = 1000000, .tid = 11 };

static void setup(void)
{
	ck_assert_int_eq(accesslog_new(&l), 0);
	ck_assert_int_eq(accesslog_start(l), 0);
}

static void teardown(void)
{
	accesslog_free(l);
}

/* What a reader gets without waiting; "" for nothing. */
static const char *got(const struct accesslog_who *who, size_t size)
{
	ssize_t n = accesslog_read(l, who, buf, size, NULL);

	ck_assert(n >= 0 || n == -EAGAIN);
	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

/* ---- a reader that waits ---- */

struct waiting {
	struct accesslog_waiter w; /* first */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
	int err;
	char text[64];
};

static void done(struct accesslog_waiter *w, int err, const char *bytes, size_t len)
{
	struct waiting *waiting = (struct waiting *)w;

	(void)pthread_mutex_lock(&waiting->lock);
	waiting->done = true;
	waiting->err = err;
	(void)snprintf(waiting->text, sizeof(waiting->text), "%.*s", (int)len, bytes);
	(void)pthread_cond_signal(&waiting->wake);
	(void)pthread_mutex_unlock(&waiting->lock);
}

static void await(struct waiting *w)
{
	(void)pthread_mutex_lock(&w->lock);
	while (!w->done)
		(void)pthread_cond_wait(&w->wake, &w->lock);
	(void)pthread_mutex_unlock(&w->lock);
}

static void wait_for_lines(struct waiting *w, const struct accesslog_who *who)
{
	*w = (struct waiting){ .w.done = done,
			       .lock = PTHREAD_MUTEX_INITIALIZER,
			       .wake = PTHREAD_COND_INITIALIZER };
	ck_assert_int_eq(accesslog_read(l, who, buf, sizeof(buf), &w->w), -EINPROGRESS);
}

START_TEST(lines_begin_with_the_open)
{
	accesslog_add(l, 0, 1, "before");
	ck_assert(!accesslog_is_read(l));
	ck_assert_int_eq(accesslog_open(l, &root), 0);
	ck_assert(accesslog_is_read(l));
	ck_assert_str_eq(got(&root, 100), "");
	accesslog_add(l, 0, 1, "one");
	accesslog_add(l, 5, 0, "two");
	ck_assert_str_eq(got(&root, 100), "one\ntwo\n");
	ck_assert_str_eq(got(&root, 100), "");
	accesslog_close(l, root.number);
	ck_assert(!accesslog_is_read(l));
}
END_TEST

START_TEST(lines_are_read_in_pieces)
{
	ck_assert_int_eq(accesslog_open(l, &root), 0);
	accesslog_add(l, 0, 1, "abc");
	accesslog_add(l, 0, 1, "de");
	ck_assert_str_eq(got(&root, 1), "a");
	ck_assert_str_eq(got(&root, 4), "bc\nd");
	ck_assert_str_eq(got(&root, 9), "e\n");
}
END_TEST

START_TEST(others_see_their_own)
{
	ck_assert_int_eq(accesslog_open(l, &user), 0);
	accesslog_add(l, 0, 1, "root's");
	accesslog_add(l, user.uid, 1, "mine");
	accesslog_add(l, user.uid + 1, 1, "another's");
	ck_assert_str_eq(got(&user, 100), "mine\n");
}
END_TEST

START_TEST(a_reader_is_not_told_of_itself)
{
	ck_assert_int_eq(accesslog_open(l, &root), 0);
	accesslog_add(l, 0, root.tid, "read");
	ck_assert_str_eq(got(&root, 100), "");
}
END_TEST

static void add_numbers(int from, int to)
{
	for (int i = from; i < to; i++) {
		char line[16];

		(void)snprintf(line, sizeof(line), "%d", i);
		accesslog_add(l, 0, 1, line);
	}
}

START_TEST(a_slow_reader_hears_what_it_lost)
{
	ck_assert_int_eq(accesslog_open(l, &root), 0);
	ck_assert_int_eq(accesslog_open(l, &user), 0);
	add_numbers(0, ACCESSLOG_LINES + 7);
	ck_assert_str_eq(got(&root, 30), "... 2055 lines lost\n2055\n2056\n");
	add_numbers(ACCESSLOG_LINES + 7, ACCESSLOG_LINES + 12);
	ck_assert_str_eq(got(&root, 5), "2057\n");
	ck_assert_str_eq(got(&user, 100), "... lines lost\n"); /* not how much others did */
}
END_TEST

START_TEST(what_is_in_the_ring_is_not_lost)
{
	ck_assert_int_eq(accesslog_open(l, &root), 0);
	add_numbers(0, ACCESSLOG_LINES);
	ck_assert_str_eq(got(&root, 4), "0\n1\n");
	add_numbers(0, 2);
	ck_assert_str_eq(got(&root, 2), "2\n");
	add_numbers(0, 2);
	ck_assert_str_eq(got(&root, 20), "... 2049 lines lost\n");
}
END_TEST

START_TEST(long_lines_are_cut)
{
	char line[2 * ACCESSLOG_LINE_MAX];

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\0';
	ck_assert_int_eq(accesslog_open(l, &root), 0);
	accesslog_add(l, 0, 1, line);
	ck_assert_uint_eq(strlen(got(&root, 3000)), ACCESSLOG_LINE_MAX);
	ck_assert_int_eq(buf[ACCESSLOG_LINE_MAX - 1], '\n');
}
END_TEST

START_TEST(who_waits_is_answered)
{
	struct waiting a, b;

	ck_assert_int_eq(accesslog_open(l, &root), 0);
	ck_assert_int_eq(accesslog_open(l, &user), 0);
	wait_for_lines(&a, &root);
	wait_for_lines(&b, &user);
	accesslog_add(l, 0, 1, "one");
	await(&a);
	ck_assert_int_eq(a.err, 0);
	ck_assert_str_eq(a.text, "one\n");
	wait_for_lines(&a, &root);
	accesslog_add(l, user.uid, 1, "two");
	await(&a);
	await(&b);
	ck_assert_str_eq(a.text, "two\n");
	ck_assert_str_eq(b.text, "two\n");
}
END_TEST

START_TEST(who_waits_can_be_interrupted)
{
	struct waiting a;

	ck_assert_int_eq(accesslog_open(l, &root), 0);
	wait_for_lines(&a, &root);
	accesslog_interrupt(l, &a.w);
	await(&a);
	ck_assert_int_eq(a.err, -EINTR);
	a = (struct waiting){ .w.done = done };
	accesslog_interrupt(l, &a.w);
	ck_assert_int_eq(accesslog_read(l, &root, buf, 10, &a.w), -EINTR);
}
END_TEST

START_TEST(the_end_is_the_end_for_all)
{
	struct waiting a;

	ck_assert_int_eq(accesslog_open(l, &root), 0);
	wait_for_lines(&a, &root);
	accesslog_stop(l);
	ck_assert(a.done);
	ck_assert_int_eq(a.err, 0);
	ck_assert_str_eq(a.text, "");
	accesslog_add(l, 0, 1, "late");
	ck_assert_int_eq(accesslog_read(l, &root, buf, 10, &a.w), 0);
}
END_TEST

START_TEST(a_reader_of_a_dead_process_goes_on)
{
	ck_assert_str_eq(got(&root, 100), "... batonfs was replaced, lines lost\n");
	accesslog_add(l, 0, 1, "one");
	ck_assert_str_eq(got(&root, 100), "one\n");
}
END_TEST

START_TEST(others_leave_room_for_root)
{
	struct accesslog_who who = user;
	int n = 0;

	while (accesslog_open(l, &who) == 0) {
		who.number++;
		n++;
	}
	ck_assert_int_eq(n, ACCESSLOG_READERS_MAX / 2);
	ck_assert_int_eq(accesslog_open(l, &who), -EMFILE);
	ck_assert_int_eq(accesslog_open(l, &root), 0);
}
END_TEST

/* Writers, a reader that waits, one that comes and goes: for the sanitizers. */
#define EACH 20000

static void *writer(void *arg)
{
	for (int i = 0; i < EACH; i++) {
		if (accesslog_is_read(l))
			accesslog_add(l, 0, 1, arg);
	}
	return NULL;
}

static void *opener(void *arg)
{
	for (int i = 0; i < EACH / 100; i++) {
		ck_assert_int_eq(accesslog_open(l, &user), 0);
		accesslog_close(l, user.number);
	}
	return arg;
}

START_TEST(all_at_once)
{
	static char text[] = "x";
	pthread_t thread[3];
	struct waiting a;

	ck_assert_int_eq(accesslog_open(l, &root), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, writer, text), 0);
	ck_assert_int_eq(pthread_create(&thread[2], NULL, opener, NULL), 0);
	for (int i = 0; i < 5; i++) {
		ssize_t n;

		a = (struct waiting){ .w.done = done,
				      .lock = PTHREAD_MUTEX_INITIALIZER,
				      .wake = PTHREAD_COND_INITIALIZER };
		n = accesslog_read(l, &root, buf, 2, &a.w);
		if (n == -EINPROGRESS) {
			accesslog_interrupt(l, &a.w);
			await(&a);
		}
	}
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		lines_begin_with_the_open,
		lines_are_read_in_pieces,
		others_see_their_own,
		a_reader_is_not_told_of_itself,
		a_slow_reader_hears_what_it_lost,
		what_is_in_the_ring_is_not_lost,
		long_lines_are_cut,
		who_waits_is_answered,
		who_waits_can_be_interrupted,
		the_end_is_the_end_for_all,
		a_reader_of_a_dead_process_goes_on,
		others_leave_room_for_root,
		all_at_once,
	};

	return RUN_TESTS("accesslog", tests, setup, teardown);
}
