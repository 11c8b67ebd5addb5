/* SPDX-License-Identifier: MIT */
/*
 * With a guardian it is asked from there, so what it tells is in the keep.
 */
#include "watched.h"

#include <errno.h>
#include <stdio.h>

#include "baton/interface.h"
#include "confine.h"
#include "fuse/front.h"
#include "fuse/request_text.h"
#include "store/store.h"
#include "util/cleanup.h"
#include "util/log.h"

static int enter_host(void *ctx)
{
	const struct daemon *d = ctx;

	return store_leave(&d->store);
}

static uint64_t answered(void *ctx)
{
	const struct daemon *d = ctx;

	return d->fs ? fs_traffic(d->fs) : requests_read(d->keep);
}

static void request(void *ctx, pid_t tid, char *buf, size_t len)
{
	const struct daemon *d = ctx;

	request_text(d->keep, tid, buf, len);
}

void watched_begin(struct daemon *d, enum watched_who who, struct watchdog **ret)
{
	struct watchdog_plan plan = {
		.limit_ns = d->config.watchdog_ns == INT64_MAX ? 0 : d->config.watchdog_ns,
		.single = who == WATCHED_ALONE,
		.late = who == WATCHED_SUCCESSOR,
		.keep = d->keep,
		.prober = { .ctx = d,
			    .enter_host = enter_host,
			    .become_nobody = confine_to_nobody },
		.ctx = d,
		.answered = answered,
		.reader_name = FS_READER_NAME,
		.request = request,
	};
	_cleanup_free_ char *directory = NULL;
	int r = -ENOMEM;

	*ret = NULL;
	if (asprintf(&directory, "%s/" BATON_DIR, d->mountpoint) < 0)
		directory = NULL;
	plan.prober.directory = directory;
	if (directory)
		r = watchdog_new(&plan, ret);
	if (r < 0)
		log_warning("there is no watchdog: error=%s, going without", log_errname(r));
}
