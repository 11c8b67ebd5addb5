/* SPDX-License-Identifier: MIT */
/*
 * Threads tell where they are, by the names of functions: asleep, in a lock, in a loop; those that cannot tell hold up nobody.
 */
#include "takeover/stacks.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

#include "scratch.h"
#include "util/symbol.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct stacks *stacks;
static _Atomic bool stop;
static int wake[2];

__attribute__((noinline)) static void waits_for_a_lock(void)
{
	(void)pthread_mutex_lock(&mutex);
	(void)pthread_mutex_unlock(&mutex);
	atomic_signal_fence(memory_order_seq_cst); /* no tail call */
}

__attribute__((noinline)) static void runs_in_a_loop(void)
{
	while (!atomic_load(&stop))
		;
	atomic_signal_fence(memory_order_seq_cst);
}

__attribute__((noinline)) static void sleeps_in_a_read(void)
{
	char byte;

	(void)!read(wake[0], &byte, 1);
	atomic_signal_fence(memory_order_seq_cst);
}

struct worker {
	void (*function)(void);
	_Atomic pid_t tid;
	pthread_t thread;
};

static void *run(void *arg)
{
	struct worker *w = arg;

	(void)pthread_setname_np(pthread_self(), "a (test)");
	atomic_store(&w->tid, gettid());
	w->function();
	return NULL;
}

static void start(struct worker *w, void (*function)(void))
{
	*w = (struct worker){ .function = function };
	ck_assert_int_eq(pthread_create(&w->thread, NULL, run, w), 0);
	while (!atomic_load(&w->tid))
		(void)sched_yield();
}

static void setup(void)
{
	atomic_store(&stop, false);
	ck_assert_int_eq(pipe(wake), 0);
	ck_assert_int_eq(stacks_new(&stacks), 0);
	stacks_obey(stacks);
	(void)pthread_mutex_lock(&mutex);
}

static void teardown(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

static void end(const struct worker *w)
{
	(void)pthread_join(w->thread, NULL);
}

/* Whether the thread is seen in that function by now. */
static bool tells(const struct worker *w, const char *function)
{
	_cleanup_(symbols_freep) struct symbols *symbols = symbols_new();
	static struct thread_state threads[THREADS_LOOK_MAX];
	size_t n = threads_look(getpid(), threads, THREADS_LOOK_MAX);
	uintptr_t stack[STACKS_DEPTH_MAX];
	bool found = false;
	size_t depth;

	stacks_collect(stacks, getpid(), threads, n);
	depth = stacks_of(stacks, atomic_load(&w->tid), stack);
	for (size_t i = 0; i < depth; i++) {
		char text[128];

		(void)symbol_text(symbols, stack[i], text, sizeof(text));
		found |= strncmp(text, function, strlen(function)) == 0 &&
			 text[strlen(function)] == '+';
	}
	return found;
}

static void assert_tells(const struct worker *w, const char *function)
{
	int64_t until = clock_mono_ns() + PATIENCE_NS;

	while (!tells(w, function)) {
		ck_assert_int_lt(clock_mono_ns(), until);
		(void)sched_yield();
	}
}

START_TEST(who_waits_for_a_lock_is_seen_there)
{
	struct worker w;

	start(&w, waits_for_a_lock);
	assert_tells(&w, "waits_for_a_lock");
	(void)pthread_mutex_unlock(&mutex);
	end(&w);
	(void)pthread_mutex_lock(&mutex);
}
END_TEST

START_TEST(who_loops_is_seen_there)
{
	struct worker w;

	start(&w, runs_in_a_loop);
	assert_tells(&w, "runs_in_a_loop");
	atomic_store(&stop, true);
	end(&w);
}
END_TEST

START_TEST(who_sleeps_is_seen_there_and_sleeps_on)
{
	struct worker w;

	start(&w, sleeps_in_a_read);
	assert_tells(&w, "sleeps_in_a_read");
	assert_tells(&w, "sleeps_in_a_read");
	ck_assert_int_eq(write(wake[1], "", 1), 1);
	end(&w);
}
END_TEST

START_TEST(who_takes_no_signals_is_not_waited_for)
{
	static struct thread_state threads[THREADS_LOOK_MAX];
	uintptr_t stack[STACKS_DEPTH_MAX];
	sigset_t all, before;
	struct worker w;
	size_t n;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	start(&w, sleeps_in_a_read);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	n = threads_look(getpid(), threads, THREADS_LOOK_MAX);
	ck_assert_uint_ge(n, 2);
	for (size_t i = 0; i < n; i++) {
		if (threads[i].tid == atomic_load(&w.tid)) {
			ck_assert_str_eq(threads[i].name, "a (test)");
			ck_assert_uint_ne(threads[i].blocked, 0);
		}
	}
	stacks_collect(stacks, getpid(), threads, n);
	ck_assert_uint_eq(stacks_of(stacks, atomic_load(&w.tid), stack), 0);
	ck_assert_int_eq(write(wake[1], "", 1), 1);
	end(&w);
}
END_TEST

START_TEST(an_address_has_the_name_of_its_function)
{
	_cleanup_(symbols_freep) struct symbols *symbols = symbols_new();
	uintptr_t loop = (uintptr_t)runs_in_a_loop;
	char text[128];

	ck_assert_str_eq(symbol_text(symbols, loop + 1, text, sizeof(text)), "runs_in_a_loop+0x1");
	/* Stripped, it has an offset that addr2line(1) knows. */
	ck_assert(strstr(symbol_text(NULL, loop, text, sizeof(text)), "test_stacks+0x"));
	ck_assert(strstr(symbol_text(symbols, (uintptr_t)getppid, text, sizeof(text)), "getppid"));
	ck_assert_str_eq(symbol_text(symbols, 1, text, sizeof(text)), "0x1");
}
END_TEST

#if defined(__SANITIZE_THREAD__) /* takes signals itself, and hands them on when it likes */
#define HAS_SIGNALS 0
#else
#define HAS_SIGNALS 1
#endif

int main(void)
{
	const TTest *const tests[] = {
		an_address_has_the_name_of_its_function, /* first: needs no signals */
		who_waits_for_a_lock_is_seen_there,	 who_loops_is_seen_there,
		who_sleeps_is_seen_there_and_sleeps_on,	 who_takes_no_signals_is_not_waited_for,
	};

	return run_tests("stacks", tests, HAS_SIGNALS ? ARRAY_SIZE(tests) : 1, setup, teardown);
}
