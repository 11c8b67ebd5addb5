/* SPDX-License-Identifier: MIT */
/*
 * Looks every half of the limit while all is well, which the prober asks as often, and every tenth when an answer is due.
 */
#include "takeover/watchdog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "takeover/area.h"
#include "takeover/stacks.h"
#include "takeover/threads.h"
#include "takeover/watch.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/parse.h"
#include "util/sdnotify.h"
#include "util/symbol.h"

/* If only the service manager asks. */
#define LIMIT_NS (10 * NS_PER_S)

/* What a thread was at, one line. */
#define REQUEST_TEXT_MAX 160

struct sighting {
	struct thread_state thread;
	char request[REQUEST_TEXT_MAX];
	uintptr_t stack[STACKS_DEPTH_MAX];
	size_t depth;
};

struct sightings {
	size_t count;
	struct sighting all[THREADS_LOOK_MAX];
};

struct watchdog {
	struct watchdog_plan plan;
	char *directory;    /* owned */
	int64_t service_ns; /* the service manager's time; 0: it has none */
	int64_t limit_ns;
	struct prober prober;
	struct stacks *stacks; /* owned */
	struct watch watch;
	int64_t next_mono_ns; /* 0: not yet */
	bool patient;	      /* the service manager has been told to be */
	bool starting;
	bool told;				      /* what is at present, and was told */
	struct thread_state before[THREADS_LOOK_MAX]; /* when an answer was first missed */
	size_t nbefore;
	struct sightings seen;
	struct thread_state now[THREADS_LOOK_MAX]; /* of a look */
};

/* ---- the service manager ---- */

/* What it asks of this process: WATCHDOG_USEC, sd_watchdog_enabled(3). 0: nothing. */
static int64_t service_time_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t n;

	if (!usec || parse_u64(usec, &n) < 0 || n == 0 || n > INT64_MAX / 1000)
		return 0;
	if (pid && strtol(pid, NULL, 10) != getpid())
		return 0;
	return (int64_t)n * 1000;
}

static void set_service_time(const struct watchdog *w, int64_t ns, const char *status)
{
	char text[160];

	(void)snprintf(text, sizeof(text), "WATCHDOG_USEC=%" PRId64 "\nSTATUS=%s", ns / 1000,
		       status);
	if (w->service_ns)
		sdnotify(text);
}

/* Its time begins anew each time that it is told. */
static void ask_patience(struct watchdog *w, int64_t ns, const char *status)
{
	set_service_time(w, ns, status);
	w->patient = true;
}

static void feed(struct watchdog *w)
{
	if (w->patient)
		set_service_time(w, w->service_ns, "mounted");
	w->patient = false;
	if (w->service_ns)
		sdnotify("WATCHDOG=1");
}

/* ---- what the threads are at ---- */

static void see(struct watchdog *w, pid_t pid)
{
	size_t n = threads_look(pid, w->now, ARRAY_SIZE(w->now));

	w->seen.count = n;
	stacks_collect(w->stacks, pid, w->now, n);
	for (size_t i = 0; i < n; i++) {
		struct sighting *s = &w->seen.all[i];

		s->thread = w->now[i];
		s->request[0] = '\0';
		w->plan.request(w->plan.ctx, s->thread.tid, s->request, sizeof(s->request));
		s->depth = stacks_of(w->stacks, s->thread.tid, s->stack);
	}
}

static void tell_one(const struct sighting *s, const struct symbols *symbols)
{
	char line[1600];
	size_t at = 0;

	line[0] = '\0';
	for (size_t i = 0; i < s->depth && at < sizeof(line) - 1; i++) {
		char name[128];

		(void)symbol_text(symbols, s->stack[i], name, sizeof(name));
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%s", i ? " < " : " at ",
				       name);
	}
	log_warning("thread tid=%d name=%s state=%c%s%s%s%s%s", (int)s->thread.tid, s->thread.name,
		    s->thread.state, s->thread.wchan[0] ? " wchan=" : "", s->thread.wchan,
		    s->request[0] ? " " : "", s->request, line);
}

void watchdog_tell(struct watchdog *w)
{
	_cleanup_(symbols_freep) struct symbols *symbols = NULL;

	if (!w || !w->seen.count)
		return;
	symbols = symbols_new();
	for (size_t i = 0; i < w->seen.count; i++)
		tell_one(&w->seen.all[i], symbols);
	w->seen.count = 0;
}

/* ---- why not ---- */

static const struct thread_state *find(const struct watchdog *w, pid_t tid)
{
	for (size_t i = 0; i < w->nbefore; i++) {
		if (w->before[i].tid == tid)
			return &w->before[i];
	}
	return NULL;
}

/* Whether it has been there all the time: the kernel has not let it go, or not let it run. */
static bool is_held(const struct watchdog *w, const struct thread_state *t, char state)
{
	const struct thread_state *before = find(w, t->tid);

	return before && t->state == state && before->state == state &&
	       t->switches == before->switches && t->cpu_ticks == before->cpu_ticks;
}

static const char *excuse(struct watchdog *w, pid_t pid)
{
	const struct worker_area *area = worker_area(w->plan.keep);
	size_t n = threads_look(pid, w->now, ARRAY_SIZE(w->now));

	if (threads_are_traced(pid))
		return "it is being debugged";
	for (size_t i = 0; i < n; i++) {
		if (is_held(w, &w->now[i], 'D') && !worker_area_may_hang(area, w->now[i].tid))
			return "the store does not answer";
		if (is_held(w, &w->now[i], 'R'))
			return "the machine is busy";
	}
	return NULL;
}

/* ---- looks ---- */

static void miss(struct watchdog *w, pid_t pid)
{
	if (w->watch.looks == 1)
		w->nbefore = threads_look(pid, w->before, ARRAY_SIZE(w->before));
}

/* True: it is to be killed. */
static bool judge(struct watchdog *w, pid_t pid)
{
	const char *why = excuse(w, pid);

	watch_forgive(&w->watch);
	if (why)
		ask_patience(w, WATCHDOG_SERVICE_PARTS * MAX_OF(w->service_ns, w->limit_ns), why);
	if (w->told)
		return false;
	see(w, pid);
	w->told = why || w->plan.single || !w->plan.limit_ns;
	log_warning("no request has been answered for %" PRId64 " ms pid=%d%s%s",
		    w->limit_ns / NS_PER_MS, (int)pid, why ? ": " : "", why ? why : "");
	if (!w->told)
		return true;
	watchdog_tell(w);
	return false;
}

/* It has let go of the filesystem, which is not mounted any more but in use; or somebody has killed it. */
static void revive(struct watchdog *w)
{
	int r = -EPIPE;

	if (!prober_has_ended(&w->prober))
		return;
	watchdog_over_exec(w, true);
	prober_end(&w->prober);
	if (!w->plan.single)
		r = prober_begin(&w->prober, &w->plan.prober);
	watchdog_over_exec(w, false);
	if (r == 0)
		r = prober_serve(&w->prober);
	if (r == 0)
		return;
	log_info("nobody asks the mount any more whether it answers: error=%s", log_errname(r));
	set_service_time(w, 0, "not watched");
	w->next_mono_ns = 0;
}

static void schedule(struct watchdog *w, int64_t in_ns)
{
	w->next_mono_ns = clock_mono_ns() + in_ns;
}

bool watchdog_look(struct watchdog *w, pid_t pid, bool ready)
{
	struct watch_counts now;

	if (!w || watchdog_due_ns(w) > 0)
		return false;
	schedule(w, w->limit_ns / 2);
	if (!ready) {
		if (!w->starting)
			ask_patience(w, WATCHDOG_START_S * NS_PER_S, "starting another worker");
		w->starting = true;
		watch_forgive(&w->watch);
		return false;
	}
	w->starting = false;
	now.asked = atomic_load(&w->prober.counts->begun);
	now.answered = atomic_load(&w->prober.counts->answered);
	now.others = w->plan.answered(w->plan.ctx);
	switch (watch_look(&w->watch, &now)) {
	case WATCH_ANSWERED:
		if (w->told)
			log_notice("requests are answered again pid=%d", (int)pid);
		w->told = false;
		feed(w);
		return false;
	case WATCH_IDLE:
		revive(w);
		return false;
	case WATCH_WAITING:
		miss(w, pid);
		break;
	case WATCH_SILENT:
		return judge(w, pid);
	}
	schedule(w, w->limit_ns / WATCH_LOOKS);
	return false;
}

int64_t watchdog_due_ns(const struct watchdog *w)
{
	int64_t now = clock_mono_ns();

	if (!w || !w->next_mono_ns)
		return INT64_MAX;
	return MAX_OF(w->next_mono_ns - now, INT64_C(0));
}

/* ---- begin and end ---- */

int watchdog_new(const struct watchdog_plan *plan, struct watchdog **ret)
{
	int64_t service_ns = service_time_ns();
	struct watchdog *w;
	int r;

	*ret = NULL;
	if (!service_ns && (plan->single || !plan->limit_ns))
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->plan = *plan;
	w->directory = strdup(plan->prober.directory);
	w->plan.prober.directory = w->directory;
	w->service_ns = service_ns;
	w->limit_ns = plan->limit_ns ? plan->limit_ns : LIMIT_NS;
	if (service_ns)
		w->limit_ns = MIN_OF(w->limit_ns, service_ns / WATCHDOG_SERVICE_PARTS);
	w->plan.prober.every_ns = w->limit_ns / 2;
	w->prober = (struct prober)PROBER_NONE;
	r = w->directory ? stacks_new(&w->stacks) : -ENOMEM;
	if (r == 0)
		r = prober_begin(&w->prober, &w->plan.prober);
	if (r < 0)
		watchdog_free(w);
	else
		*ret = w;
	return r;
}

void watchdog_free(struct watchdog *w)
{
	if (!w)
		return;
	prober_end(&w->prober);
	free(w->directory);
	free(w);
}

void watchdog_obey(struct watchdog *w)
{
	if (w)
		stacks_obey(w->stacks);
}

void watchdog_serve(struct watchdog *w)
{
	int r = w ? prober_serve(&w->prober) : 0;

	if (!w)
		return;
	if (r < 0)
		log_warning("the process that asks the mount whether it answers did not begin: "
			    "error=%s, going without",
			    log_errname(r));
	if (r == 0)
		schedule(w, w->limit_ns / 2);
	else
		set_service_time(w, 0, "mounted, not watched");
}

void watchdog_over_exec(struct watchdog *w, bool over)
{
	if (!w)
		return;
	if (over)
		keep_fd_drop(w->prober.fd);
	else
		keep_fd(w->prober.fd);
}
