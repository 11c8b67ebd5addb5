/* SPDX-License-Identifier: MIT */
/*
 * Serving on the client's CPU: begun when one client asks again and again, and over when that is of no use or does
 * harm. A pipe stands for the device, and this thread is reader and client at once. Others may keep the machine busy: so
 * what is to be is served for until it is seen.
 */
#include "fuse/beside.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/syscall.h>

#include "scratch.h"

/* After requests had to wait it is not done for so long, at least. Source: beside.c. */
#define PAUSE_NS (100 * NS_PER_MS)

/* Clients that need not be there. */
#define OTHER 1
#define ANOTHER 2

static struct beside *beside; /* NULL: it may not be here, and is not tested */
static int fds[2];
static cpu_set_t cpus; /* before */

static void setup(void)
{
	int r;

	ck_assert_int_eq(pipe(fds), 0);
	ck_assert_int_eq(sched_getaffinity(0, sizeof(cpus), &cpus), 0);
	r = beside_new(fds[0], &beside);
	ck_assert(r == 0 || r == -EPERM);
}

static void teardown(void)
{
	struct sched_param none = { 0 };

	beside_free(TAKE_PTR(beside));
	(void)sched_setscheduler(0, SCHED_OTHER, &none);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static pid_t self(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void serve_one(pid_t client, int64_t asked_mono_ns, bool alone)
{
	beside_began(beside, client, asked_mono_ns, alone);
	beside_ended(beside);
}

/* A request that was found waiting. */
static void serve(pid_t client)
{
	serve_one(client, clock_mono_ns(), true);
}

static cpu_set_t held_on(void)
{
	cpu_set_t now;

	CPU_ZERO(&now);
	(void)sched_getaffinity(0, sizeof(now), &now);
	return now;
}

static bool is_as_before(void)
{
	cpu_set_t now = held_on();

	return sched_getscheduler(0) == SCHED_OTHER && CPU_EQUAL(&now, &cpus);
}

static bool is_beside(void)
{
	cpu_set_t now = held_on();

	return beside_is_on(beside) && CPU_COUNT(&now) == 1 && sched_getscheduler(0) == SCHED_IDLE;
}

/* As in beside.c. */
#define QUICK_NS (100 * NS_PER_US)

/* In quick succession, between two looks, which take their time. */
#define BURST 64

static void serve_until_beside(void)
{
	do {
		for (int i = 0; i < BURST; i++)
			serve(self());
	} while (!is_beside());
}

START_TEST(it_is_as_before_when_no_request_comes)
{
	if (!beside)
		return;
	serve_until_beside();
	EVENTUALLY(is_as_before());
	ck_assert(!beside_is_on(beside));
	serve_until_beside(); /* nobody had to wait: so again */
	EVENTUALLY(is_as_before());
}
END_TEST

START_TEST(several_clients_end_it)
{
	if (!beside)
		return;
	serve_until_beside();
	for (int i = 0; i < 3; i++)
		serve(i % 2 ? OTHER : ANOTHER);
	ck_assert(!beside_is_on(beside));
	EVENTUALLY(is_as_before());
	for (int i = 0; i < 1000; i++)
		serve(i % 2 ? self() : OTHER);
	ck_assert(is_as_before());
}
END_TEST

/* A request after so long that its client did something else before, or was not let run. */
static void serve_late(void)
{
	int64_t since = clock_mono_ns();

	while (clock_mono_ns() - since < 2 * QUICK_NS)
		;
	serve(self());
}

static bool is_one_client_after(int late)
{
	for (int i = 0; i < BURST; i++)
		serve(self());
	for (int i = 0; i < late; i++)
		serve_late();
	return beside_has_one_client(beside);
}

START_TEST(a_client_may_be_late_now_and_then)
{
	if (!beside)
		return;
	/* Others may want the CPU; the test's time limit ends it otherwise. */
	while (!is_one_client_after(3))
		;
	ck_assert(!is_one_client_after(10));
}
END_TEST

START_TEST(another_reader_ends_it)
{
	if (!beside)
		return;
	serve_until_beside();
	serve_one(self(), clock_mono_ns(), false);
	ck_assert(!beside_is_on(beside));
	EVENTUALLY(is_as_before());
	for (int i = 0; i < 1000; i++)
		serve_one(self(), clock_mono_ns(), false);
	ck_assert(is_as_before());
}
END_TEST

START_TEST(what_nobody_waits_for_does_not_begin_it)
{
	if (!beside)
		return;
	for (int i = 0; i < 1000; i++)
		serve(0);
	ck_assert(is_as_before());
}
END_TEST

/* Whether it stays as it was for the time that it should, since `begun`, however long this thread is off its CPU. */
static bool stays_away(int64_t begun)
{
	while (clock_mono_ns() - begun < PAUSE_NS) {
		serve(self());
		if (beside_is_on(beside))
			return clock_mono_ns() - begun >= PAUSE_NS;
	}
	return true;
}

START_TEST(requests_that_had_to_wait_end_it_for_a_while)
{
	char request;

	if (!beside)
		return;
	for (;;) { /* it may have been brought back before the request was there */
		int64_t begun;

		serve_until_beside();
		begun = clock_mono_ns();
		ck_assert_int_eq(write(fds[1], "x", 1), 1);
		EVENTUALLY(is_as_before());
		if (stays_away(begun))
			break;
		ck_assert_int_eq(read(fds[0], &request, 1), 1);
	}
}
END_TEST

START_TEST(what_somebody_decided_stays)
{
	struct sched_param none = { 0 };

	if (!beside)
		return;
	ck_assert_int_eq(sched_setscheduler(0, SCHED_BATCH, &none), 0);
	for (int i = 0; i < 1000; i++)
		serve(self());
	ck_assert_int_eq(sched_getscheduler(0), SCHED_BATCH);
	ck_assert(!beside_is_on(beside));
}
END_TEST

/* A client that sleeps on the CPU that it is told to be on. */
struct client {
	sem_t go, there;
	unsigned int cpu; /* CPU_SETSIZE: it ends */
	pid_t tid;
};

static void *client_main(void *arg)
{
	struct client *c = arg;

	c->tid = self();
	while (sem_wait(&c->go) == 0 && c->cpu < CPU_SETSIZE) {
		cpu_set_t one;

		CPU_ZERO(&one);
		CPU_SET(c->cpu, &one);
		(void)sched_setaffinity(0, sizeof(one), &one);
		(void)sem_post(&c->there);
	}
	return NULL;
}

static void send_to(struct client *c, unsigned int cpu)
{
	c->cpu = cpu;
	(void)sem_post(&c->go);
	if (cpu < CPU_SETSIZE)
		(void)sem_wait(&c->there);
}

START_TEST(the_client_is_followed)
{
	struct client c = { .cpu = 0 };
	pthread_t thread;

	if (!beside || CPU_COUNT(&cpus) < 2)
		return;
	ck_assert_int_eq(sem_init(&c.go, 0, 0) | sem_init(&c.there, 0, 0), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, client_main, &c), 0);
	for (unsigned int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t now;

		if (!CPU_ISSET(cpu, &cpus))
			continue;
		send_to(&c, cpu);
		do { /* it was not found waiting: perhaps he is elsewhere */
			for (int i = 0; i < BURST; i++)
				serve_one(c.tid, 0, true);
			now = held_on();
		} while (!is_beside() || !CPU_ISSET(cpu, &now));
	}
	send_to(&c, CPU_SETSIZE);
	(void)pthread_join(thread, NULL);
	(void)sem_destroy(&c.go);
	(void)sem_destroy(&c.there);
}
END_TEST

static void *try_without_rights(void *arg)
{
	struct beside *b = NULL;
	int *result = arg;

	/* This thread's alone, and of those it starts. */
	*result = syscall(SYS_setresuid, 65534, 65534, 65534) < 0 ? 1 : beside_new(fds[0], &b);
	beside_free(b);
	return NULL;
}

START_TEST(without_the_right_to_come_back_it_is_not_begun)
{
	struct rlimit niceness;
	pthread_t thread;
	int result = 1;

	ck_assert_int_eq(getrlimit(RLIMIT_NICE, &niceness), 0);
	if (niceness.rlim_cur >= 20) /* everybody may */
		return;
	ck_assert_int_eq(pthread_create(&thread, NULL, try_without_rights, &result), 0);
	(void)pthread_join(thread, NULL);
	ck_assert_int_eq(result, -EPERM);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		it_is_as_before_when_no_request_comes,
		several_clients_end_it,
		a_client_may_be_late_now_and_then,
		another_reader_ends_it,
		what_nobody_waits_for_does_not_begin_it,
		requests_that_had_to_wait_end_it_for_a_while,
		what_somebody_decided_stays,
		the_client_is_followed,
		without_the_right_to_come_back_it_is_not_begun,
	};

	return RUN_TESTS("beside", tests, setup, teardown);
}
