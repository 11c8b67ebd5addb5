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

static const char *amount(const struct progress *p, uint64_t n, char *buf)
{
	if (p->unit)
		(void)snprintf(buf, SAY_MAX, "%" PRIu64, n);
	else
		(void)format_size(n, buf, SAY_MAX);
	return buf;
}

void progress_begin(struct progress *p, uint64_t whole, const char *unit)
{
	int64_t now = clock_mono_ns();

	*p = (struct progress){ .wanted = isatty(STDERR_FILENO) == 1,
				.unit = unit,
				.whole = whole,
				.begin_mono_ns = now,
				.next_mono_ns = now + TELL_AFTER_NS };
}

void progress_at(struct progress *p, uint64_t done)
{
	char a[SAY_MAX], b[SAY_MAX], c[SAY_MAX];
	int64_t now = p->wanted ? clock_mono_ns() : 0;
	double rate;

	if (!p->wanted || now < p->next_mono_ns)
		return;
	p->told = true;
	p->next_mono_ns = now + TELL_EVERY_NS;
	rate = (double)done * 1e9 / (double)(now - p->begin_mono_ns);
	(void)fprintf(stderr, CLEAR "%s", amount(p, done, a));
	if (p->whole > 0)
		(void)fprintf(stderr, " of %s", amount(p, p->whole, b));
	if (p->unit)
		(void)fprintf(stderr, " %s", p->unit);
	(void)fprintf(stderr, ", %s/s", amount(p, (uint64_t)rate, a));
	if (p->whole > done && rate > 0)
		(void)fprintf(stderr, ", %s left",
			      say_duration((double)(p->whole - done) / rate, c, sizeof(c)));
	(void)fflush(stderr);
}

void progress_end(struct progress *p)
{
	if (p->told)
		(void)fputs(CLEAR, stderr);
	p->told = false;
}

/* ---- what only takes time ---- */

static void *tick(void *arg)
{
	struct progress_clock *c = arg;
	int64_t begin = clock_mono_ns();
	int64_t next = begin + TELL_AFTER_NS;
	bool told = false;

	(void)pthread_mutex_lock(&c->lock);
	while (!c->done) {
		struct timespec until = { .tv_sec = next / NS_PER_S, .tv_nsec = next % NS_PER_S };
		char text[SAY_MAX];

		if (clock_mono_ns() < next) {
			(void)pthread_cond_timedwait(&c->wake, &c->lock, &until);
			continue;
		}
		told = true;
		next += NS_PER_S;
		(void)fprintf(stderr, CLEAR "%s: %s", c->what,
			      say_duration((double)(clock_mono_ns() - begin) / NS_PER_S, text,
					   sizeof(text)));
		(void)fflush(stderr);
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (told)
		(void)fputs(CLEAR, stderr);
	return NULL;
}

void progress_clock_begin(struct progress_clock *c, const char *what)
{
	pthread_condattr_t attr;

	*c = (struct progress_clock){ .what = what };
	if (isatty(STDERR_FILENO) != 1)
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
