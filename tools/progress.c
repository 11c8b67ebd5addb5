/* SPDX-License-Identifier: MIT */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "say.h"
#include "util/clock.h"
#include "util/parse.h"

/* How often it is told, and after what time for the first time. */
#define TELL_EVERY_NS (NS_PER_S / 4)
#define TELL_AFTER_NS NS_PER_S

/* To the beginning of the line, and nothing behind. */
#define CLEAR "\r\033[K"

/* Setting of the program. */
static bool forbidden;

static bool is_wanted(void)
{
	return !forbidden && isatty(STDERR_FILENO) == 1;
}

void progress_forbid(void)
{
	forbidden = true;
}

static const char *amount(const char *unit, uint64_t n, char *buf)
{
	if (unit)
		(void)snprintf(buf, SAY_MAX, "%" PRIu64, n);
	else
		(void)format_size(n, buf, SAY_MAX);
	return buf;
}

void progress_begin(struct progress *p, uint64_t whole, const char *unit)
{
	int64_t now = clock_mono_ns();

	*p = (struct progress){ .wanted = is_wanted(),
				.unit = unit,
				.whole = whole,
				.begin_mono_ns = now,
				.next_mono_ns = now + TELL_AFTER_NS };
}

/* "1200 of 5000 files, 900/s, 4 s left"; a rate below 0 is not known yet. */
static void print_amounts(const struct progress_view *v, double rate)
{
	char text[SAY_MAX];

	(void)fputs(amount(v->unit, v->done, text), stderr);
	if (v->whole > 0)
		(void)fprintf(stderr, " of %s", amount(v->unit, v->whole, text));
	if (v->unit)
		(void)fprintf(stderr, " %s", v->unit);
	if (rate >= 0)
		(void)fprintf(stderr, ", %s/s", amount(v->unit, (uint64_t)rate, text));
	if (v->whole > v->done && rate > 0)
		(void)fprintf(stderr, ", %s left",
			      say_duration((double)(v->whole - v->done) / rate, text,
					   sizeof(text)));
	(void)fflush(stderr);
}

static double rate_of(uint64_t n, int64_t ns)
{
	return ns > 0 ? (double)n * NS_PER_S / (double)ns : -1;
}

void progress_at(struct progress *p, uint64_t done)
{
	const struct progress_view v = { .unit = p->unit, .done = done, .whole = p->whole };
	int64_t now = p->wanted ? clock_mono_ns() : 0;

	if (!p->wanted || now < p->next_mono_ns)
		return;
	p->told = true;
	p->next_mono_ns = now + TELL_EVERY_NS;
	(void)fputs(CLEAR, stderr);
	print_amounts(&v, rate_of(done, now - p->begin_mono_ns));
}

void progress_end(struct progress *p)
{
	if (p->told)
		(void)fputs(CLEAR, stderr);
	p->told = false;
}

/* ---- what others do ---- */

/* What was seen first of what is under way now: the rate is since then, for it may have begun before. */
struct baseline {
	const char *what; /* NULL: nothing has been seen */
	uint64_t done;
	int64_t at_mono_ns;
};

static void print_view(const struct baseline *first, const struct progress_view *v)
{
	int64_t now = clock_mono_ns();

	(void)fprintf(stderr, CLEAR "%s: ", v->what);
	print_amounts(v, rate_of(v->done - first->done, now - first->at_mono_ns));
}

static void print_time(const char *what, int64_t ns)
{
	char text[SAY_MAX];

	(void)fprintf(stderr, CLEAR "%s: %s", what,
		      say_duration((double)ns / NS_PER_S, text, sizeof(text)));
	(void)fflush(stderr);
}

/* Without the lock: a look asks the mount. True: something has been printed. */
static bool tell(struct progress_clock *c, struct baseline *first, int64_t took_ns)
{
	struct progress_view v;
	bool known = c->look && c->look(c->arg, &v);

	if (known && (first->what != v.what || v.done < first->done))
		*first = (struct baseline){ v.what, v.done, clock_mono_ns() };
	if (took_ns < TELL_AFTER_NS)
		return false;
	if (known)
		print_view(first, &v);
	else
		print_time(c->what, took_ns);
	return true;
}

static void *tick(void *arg)
{
	struct progress_clock *c = arg;
	int64_t begin = clock_mono_ns();
	int64_t next = begin + (c->look ? TELL_AFTER_NS / 2 : TELL_AFTER_NS);
	struct baseline first = { .what = NULL };
	bool told = false;

	(void)pthread_mutex_lock(&c->lock);
	while (!c->done) {
		struct timespec until = { .tv_sec = next / NS_PER_S, .tv_nsec = next % NS_PER_S };

		if (clock_mono_ns() < next) {
			(void)pthread_cond_timedwait(&c->wake, &c->lock, &until);
			continue;
		}
		(void)pthread_mutex_unlock(&c->lock);
		told |= tell(c, &first, clock_mono_ns() - begin);
		(void)pthread_mutex_lock(&c->lock);
		next = clock_mono_ns() + (c->look ? TELL_EVERY_NS : NS_PER_S);
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (told)
		(void)fputs(CLEAR, stderr);
	return NULL;
}

void progress_clock_begin(struct progress_clock *c, const char *what)
{
	progress_clock_look(c, what, NULL, NULL);
}

void progress_clock_look(struct progress_clock *c, const char *what, progress_look_fn *look,
			 void *arg)
{
	pthread_condattr_t attr;

	*c = (struct progress_clock){ .what = what, .look = look, .arg = arg };
	if (!is_wanted())
		return;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&c->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	c->running = pthread_create(&c->thread, NULL, tick, c) == 0;
}

void progress_clock_end(struct progress_clock *c)
{
	if (!c->running)
		return;
	(void)pthread_mutex_lock(&c->lock);
	c->done = true;
	(void)pthread_cond_signal(&c->wake);
	(void)pthread_mutex_unlock(&c->lock);
	(void)pthread_join(c->thread, NULL);
	(void)pthread_cond_destroy(&c->wake);
	(void)pthread_mutex_destroy(&c->lock);
	c->running = false;
}
