/* SPDX-License-Identifier: MIT */
/*
 * What another batonfs still has, which is going down, is waited for: umount X && mount X.
 */
#include "storage.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "baton/interface.h"
#include "config/option.h"
#include "store/atime.h"
#include "store/blob_away.h"
#include "store/boot.h"
#include "store/place.h"
#include "store/reserve.h"
#include "store/trash.h"
#include "takeover/handover.h"
#include "tuning.h"
#include "unmount.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mounttab.h"
#include "util/sdnotify.h"

/* How often the lock of a store is tried that a daemon which is going down still has. */
#define STORE_POLL_NS (20 * NS_PER_MS)

/*
 * How long the ledger of a worker that is gone is waited for, if another program keeps it from being written. Source: longer
 * than such a program takes to copy or to vacuum one; whoever uses the mount waits, and would lose it.
 */
#define LEDGER_WAIT_NS (60 * NS_PER_S)

/* Whether `path` is `dir` or below it; both absolute and resolved. */
static bool is_below(const char *path, const char *dir)
{
	size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || !path[len]);
}

static bool is_memory(const char *source)
{
	return strcmp(source, "memory") == 0 || strncmp(source, "memory:", strlen("memory:")) == 0;
}

/* An error that is about the value of an option: with where that was said, unless on the command line. */
static void complain(const struct config *c, const char *option, const char *text)
{
	size_t i = option_index(option_find(option));
	enum config_from from = c->origins[i].from;
	char where[PATH_MAX + 32];

	if (from == CONFIG_FILE || from == CONFIG_ENVIRONMENT)
		log_error("%s (%s: %s)", text, option,
			  config_origin_text(c, i, where, sizeof(where)));
	else
		log_error("%s", text);
}

/*
 * One must not be inside the other. Asked before the directory is touched; what does not exist is told by who opens it.
 */
static int check_apart(const struct daemon *d, const char *what, const char *option,
		       const char *dir)
{
	_cleanup_free_ char *path = realpath(dir, NULL);
	_cleanup_free_ char *text = NULL;
	int n;

	if (!path)
		return 0;
	if (is_below(path, d->mountpoint))
		n = asprintf(
			&text,
			"%s %s is below the mountpoint %s, which would hide it; give a directory elsewhere",
			what, dir, d->mountpoint);
	else if (is_below(d->mountpoint, path))
		n = asprintf(&text, "mountpoint %s is inside the %s %s; give a directory elsewhere",
			     d->mountpoint, what, dir);
	else
		return 0;
	if (n < 0)
		return -ENOMEM;
	complain(&d->config, option, text);
	return -EINVAL;
}

/* A daemon whose mount is gone gives its store back soon: umount X && mount X. */
static int wait_for_store(struct daemon *d, struct store_error *error)
{
	_cleanup_free_ char *path = realpath(d->config.source, NULL);
	int64_t end = clock_ns(CLOCK_MONOTONIC) + UNMOUNT_WAIT_NS;
	struct timespec ts = { .tv_nsec = STORE_POLL_NS };
	int r = -EBUSY;

	if (!path || mounttab_has(BATON_FSTYPE, path))
		return r;
	log_notice("the batonfs that had store %s is going down; waiting for it", path);
	sdnotify("STATUS=waiting for the store");
	while (r == -EBUSY && clock_ns(CLOCK_MONOTONIC) < end) {
		(void)nanosleep(&ts, NULL);
		r = store_open(d->config.source, &d->store, error);
	}
	return r;
}

/* The same for the directory that is spilled to: who has it says so in there. */
static int wait_for_spill(struct daemon *d, struct store_error *error)
{
	int64_t end = clock_ns(CLOCK_MONOTONIC) + UNMOUNT_WAIT_NS;
	struct timespec ts = { .tv_nsec = STORE_POLL_NS };
	_cleanup_free_ char *user = spilldir_user(d->config.spill);
	int r = -EBUSY;

	if (!user || mounttab_is_at(user, BATON_FSTYPE, NULL) != 0)
		return r;
	log_notice("the batonfs that had spill=%s is going down; waiting for it", d->config.spill);
	sdnotify("STATUS=waiting for the directory that is spilled to");
	while (r == -EBUSY && clock_ns(CLOCK_MONOTONIC) < end) {
		(void)nanosleep(&ts, NULL);
		r = spilldir_open(d->config.spill, d->mountpoint, &d->spill, error);
	}
	return r;
}

/* Before the store, for a store in memory is not where this directory is found. */
static int open_spill(struct daemon *d)
{
	struct store_error error;
	int r;

	if (!d->config.spill[0])
		return 0;
	if (!is_memory(d->config.source)) {
		complain(
			&d->config, "spill",
			"option spill is for a store in memory; leave it out, or give source=memory");
		return -EINVAL;
	}
	r = check_apart(d, "spill", "spill", d->config.spill);
	if (r < 0)
		return r;
	r = spilldir_open(d->config.spill, d->mountpoint, &d->spill, &error);
	if (r == -EBUSY)
		r = wait_for_spill(d, &error);
	if (r < 0)
		complain(&d->config, "spill", error.text);
	return r;
}

/* Not worth refusing to mount: what goes wrong is that times move, or do not. */
static void set_atime(struct daemon *d)
{
	const struct config *c = &d->config;
	enum atime_wish wish = c->noatime || c->readonly ? ATIME_NEVER
			       : c->strictatime		 ? ATIME_ALWAYS
							 : ATIME_AS_MOUNTED;
	int r = atime_set(&d->store, wish);

	if (r < 0)
		log_warning("access times go by the mount that store %s is on: %s, ignoring %s",
			    d->store.path, strerror(-r), c->noatime ? "noatime" : "strictatime");
}

int storage_open(struct daemon *d)
{
	struct config_error wrong = { .text = "" };
	struct store_error error;
	int r = 0;

	if (!is_memory(d->config.source))
		r = check_apart(d, "store", "source", d->config.source);
	if (r == 0)
		r = open_spill(d);
	if (r < 0)
		return r;
	r = store_open(d->config.source, &d->store, &error);
	if (r == -EBUSY)
		r = wait_for_store(d, &error);
	if (r < 0)
		complain(&d->config, "source", error.text);
	if (r < 0)
		return r;
	set_atime(d);
	r = tuning_check_store(&d->config, &d->store, &wrong); /* only now its size is known */
	if (wrong.text[0])
		complain(&d->config, room_mark_is_set(&d->config.marks.low) ? "low" : "high",
			 wrong.text);
	return r;
}

static int try_ledger(struct daemon *d, const char *path, const struct boot_time *boot)
{
	const struct ledger_time time = {
		.base_ns = boot->base_ns,
		.goes_on = boot->goes_on,
		.last_ns = boot->last_ns,
	};

	enum ledger_left left = (enum ledger_left)handover_ledger(d->keep);
	int r = d->takeovers > 0 ? ledger_reopen(path, &time, left, &d->ledger, &d->ledger_state)
				 : ledger_open(path, &time, &d->ledger, &d->ledger_state);

	if (r == 0)
		handover_note_ledger(d->keep, LEDGER_LEFT_IN_USE);
	return r;
}

/* SIGTERM and SIGINT are blocked until somebody waits for them. */
static bool is_to_end(void)
{
	sigset_t pending;

	return sigpending(&pending) == 0 &&
	       (sigismember(&pending, SIGTERM) == 1 || sigismember(&pending, SIGINT) == 1);
}

/* Another program writes to it: sqlite3(1), say, or has begun to and left it at that. */
static int wait_for_ledger(struct daemon *d, const char *path, const struct boot_time *boot)
{
	int64_t end = clock_mono_ns() + (d->takeovers > 0 ? LEDGER_WAIT_NS : UNMOUNT_WAIT_NS);
	struct timespec ts = { .tv_nsec = STORE_POLL_NS };
	int r = -EBUSY;

	log_warning("store %s: another program writes to ledger.db; waiting for it", d->store.path);
	sdnotify("STATUS=waiting for another program that writes to the ledger");
	while (r == -EBUSY && clock_mono_ns() < end && !is_to_end()) {
		(void)nanosleep(&ts, NULL);
		r = try_ledger(d, path, boot);
	}
	return r;
}

static int open_ledger(struct daemon *d, const struct boot_time *boot)
{
	static const char *const texts[] = {
		[LEDGER_UNCLEAN] =
			"the last batonfs did not end cleanly; checking the ledger against the tree",
		[LEDGER_REPLACED] =
			"the ledger was damaged and is set aside; building it anew from the tree",
	};
	_cleanup_free_ char *path = NULL;
	int r;

	if (asprintf(&path, "%s/ledger.db", d->store.path) < 0)
		return -ENOMEM;
	r = try_ledger(d, path, boot);
	if (r == -EBUSY)
		r = wait_for_ledger(d, path, boot);
	if (r == -EBUSY)
		log_error(
			"store %s: another program writes to ledger.db and does not end that; end it",
			d->store.path);
	else if (r == -EPROTONOSUPPORT)
		log_error("store %s: its ledger was written by a newer batonfs; use that one",
			  d->store.path);
	else if (r < 0 && r != -ENOSPC)
		log_error("store %s: cannot open ledger.db: %s", d->store.path, strerror(-r));
	else if (d->ledger_state.state == LEDGER_REPLACED)
		log_warning("%s set_aside=%s", texts[LEDGER_REPLACED], d->ledger_state.set_aside);
	else if (d->ledger_state.state == LEDGER_UNCLEAN && d->takeovers == 0)
		log_notice("%s", texts[LEDGER_UNCLEAN]);
	return r;
}

/* What was closed in order agrees with the tree that it was closed with. */
static void look_for_copy(struct daemon *d)
{
	if (d->ledger_state.state != LEDGER_CLEAN || d->takeovers > 0 || place_is_same(&d->store))
		return;
	log_notice(
		"the store is a copy, or was last used by an older batonfs; checking the ledger against the tree");
	d->ledger_state.state = LEDGER_UNCLEAN;
	ledger_doubt(d->ledger);
}

/* What is left in the trash may be what the ledger has no room for. */
int storage_open_ledger(struct daemon *d)
{
	int r = trash_new(d->store.trash_fd, &d->trash);
	struct boot_time boot;

	if (d->spill.blobs_fd >= 0)
		blobs_set_away(d->store.blobs, d->spill.blobs_fd);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	if (d->takeovers > 0)
		store_find_again(&d->store);
	boot_time(d->store.fd, &boot);
	r = open_ledger(d, &boot);
	if (r == -ENOSPC) { /* not before: a store that is refused is not changed */
		reserve_release(&d->store);
		r = open_ledger(d, &boot);
	}
	if (r == -ENOSPC && trash_empty(d->trash) == 0)
		r = open_ledger(d, &boot);
	if (r == -ENOSPC)
		log_error(
			"store %s: no room for its ledger; make some on that filesystem, or remove what is "
			"not needed below %s/tree",
			d->store.path, d->store.path);
	else if (r == 0)
		reserve_take(&d->store);
	if (r == 0) {
		boot_note_told(d->store.fd);
		look_for_copy(d);
	}
	return r;
}
