/* SPDX-License-Identifier: MIT */
/*
 * Policy and niceness of threads, as the kernel tells them. Where real time is not permitted there is nothing to be seen.
 */
#include "takeover/urgent.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"

/* As a daemon is that nobody has given a niceness; false: it may not be changed. */
static bool begin_plain(void)
{
	struct sched_param param = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		return false;
	param.sched_priority = 0;
	ck_assert_int_eq(sched_setscheduler(0, SCHED_OTHER, &param), 0);
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 0), 0);
	return true;
}

static int niceness(void)
{
	return getpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid));
}

START_TEST(who_waits_is_in_real_time_until_he_has_something_to_do)
{
	if (!begin_plain())
		return;
	urgent_wait();
	ck_assert_int_eq(sched_getscheduler(0) & ~SCHED_RESET_ON_FORK, SCHED_FIFO);
	urgent_begin();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(niceness(), URGENT_NICENESS);
	urgent_wait();
	urgent_wait_end();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(niceness(), 0);
}
END_TEST

START_TEST(a_niceness_that_somebody_gave_stays)
{
	if (!begin_plain())
		return;
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 3), 0);
	urgent_begin();
	urgent_start();
	urgent_wait();
	urgent_end();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(niceness(), 3);
	ck_assert_int_eq(setpriority(PRIO_PROCESS, 0, 0), 0);
}
END_TEST

START_TEST(who_waits_stays_in_real_time_when_he_starts_somebody)
{
	if (!begin_plain())
		return;
	urgent_wait();
	urgent_start();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_FIFO); /* what it starts is, too */
	urgent_begin();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	urgent_wait_end();
	ck_assert_int_eq(niceness(), 0);
}
END_TEST

struct helper {
	sem_t changed;
	sem_t go;
	int policy;
	int niceness;
};

static void *help(void *arg)
{
	struct helper *h = arg;

	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 15);
	(void)sem_post(&h->changed);
	while (sem_wait(&h->go) < 0)
		;
	h->policy = sched_getscheduler(0);
	h->niceness = niceness();
	return NULL;
}

/* It has set its niceness. */
static pthread_t start_helper(struct helper *h)
{
	pthread_t thread;

	(void)sem_init(&h->changed, 0, 0);
	(void)sem_init(&h->go, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, help, h), 0);
	while (sem_wait(&h->changed) < 0)
		;
	return thread;
}

static void finish_helper(struct helper *h, pthread_t thread)
{
	(void)sem_post(&h->go);
	(void)pthread_join(thread, NULL);
}

START_TEST(threads_of_a_start_have_what_they_asked_for_when_it_is_over)
{
	struct helper h;
	pthread_t thread;

	if (!begin_plain())
		return;
	urgent_start();
	ck_assert_int_eq(sched_getscheduler(0), SCHED_FIFO);
	thread = start_helper(&h);
	urgent_end();
	finish_helper(&h, thread);
	ck_assert_int_eq(h.policy, SCHED_OTHER);
	ck_assert_int_eq(h.niceness, 15);
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(niceness(), 0);
}
END_TEST

START_TEST(threads_that_are_to_stop_are_in_real_time_whatever_they_were)
{
	struct helper h;
	pthread_t thread;

	if (!begin_plain())
		return;
	thread = start_helper(&h);
	urgent_stop();
	finish_helper(&h, thread);
	ck_assert_int_eq(h.policy, SCHED_FIFO);
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
}
END_TEST

/* The thread sanitizer has signals handled at a system call that waits. */
#ifdef __SANITIZE_THREAD__
#define SIGNALS_WAIT true
#else
#define SIGNALS_WAIT false
#endif

START_TEST(a_start_that_takes_long_is_in_real_time_for_its_beginning_only)
{
	if (SIGNALS_WAIT || !begin_plain())
		return;
	urgent_start();
	while (sched_getscheduler(0) == SCHED_FIFO)
		; /* else the time is over */
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(niceness(), URGENT_NICENESS);
	urgent_end();
	ck_assert_int_eq(niceness(), 0);
}
END_TEST

static void use_cpu(int64_t ns)
{
	int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + ns;

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

static void *take_long(void *arg)
{
	int *policy = arg;

	urgent_uninterrupted();
	use_cpu(2 * URGENT_START_NS);
	*policy = sched_getscheduler(0);
	return NULL;
}

START_TEST(who_must_not_be_interrupted_is_not)
{
	pthread_t thread;
	int policy;

	if (!begin_plain())
		return;
	urgent_start();
	ck_assert_int_eq(pthread_create(&thread, NULL, take_long, &policy), 0);
	(void)pthread_join(thread, NULL);
	ck_assert_int_eq(policy, SCHED_FIFO);
	urgent_end();
	ck_assert_int_eq(niceness(), 0);
}
END_TEST

/* The threads of a start that has been made, on one CPU with others. */
struct crowd {
	atomic_bool ending; /* the start is over */
	atomic_bool over;
	atomic_int late_rounds; /* of one that answers, in real time although it is over */
};

static void *answer(void *arg)
{
	const struct timespec pause = { .tv_nsec = 20 * NS_PER_US };
	struct crowd *c = arg;

	while (!atomic_load(&c->over)) {
		use_cpu(2 * NS_PER_MS);
		if (atomic_load(&c->ending) && sched_getscheduler(0) == SCHED_FIFO)
			atomic_fetch_add(&c->late_rounds, 1);
		(void)nanosleep(&pause, NULL);
	}
	return NULL;
}

static void *use_all(void *arg)
{
	struct crowd *c = arg;

	while (!atomic_load(&c->over))
		;
	return NULL;
}

/* Who ends it must not wait behind those whose real time he is about to end. */
START_TEST(an_end_is_not_held_up_by_whom_it_ends)
{
	struct crowd c = { 0 };
	pthread_t others[8], reader;
	cpu_set_t all, one;

	if (!begin_plain())
		return;
	ck_assert_int_eq(sched_getaffinity(0, sizeof(all), &all), 0);
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		ck_assert_int_eq(pthread_create(&others[i], NULL, use_all, &c), 0);
	use_cpu(10 * NS_PER_MS); /* more than his share, as a daemon has had */
	urgent_start();
	ck_assert_int_eq(pthread_create(&reader, NULL, answer, &c), 0);
	atomic_store(&c.ending, true);
	urgent_end();
	atomic_store(&c.over, true);
	(void)pthread_join(reader, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		(void)pthread_join(others[i], NULL);
	ck_assert_int_eq(sched_getscheduler(0), SCHED_OTHER);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(all), &all), 0);
	ck_assert_int_lt(atomic_load(&c.late_rounds), 10);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		who_waits_is_in_real_time_until_he_has_something_to_do,
		who_waits_stays_in_real_time_when_he_starts_somebody,
		a_niceness_that_somebody_gave_stays,
		threads_of_a_start_have_what_they_asked_for_when_it_is_over,
		threads_that_are_to_stop_are_in_real_time_whatever_they_were,
		a_start_that_takes_long_is_in_real_time_for_its_beginning_only,
		who_must_not_be_interrupted_is_not,
		an_end_is_not_held_up_by_whom_it_ends,
	};

	return RUN_TESTS("urgent", tests, NULL, NULL);
}
