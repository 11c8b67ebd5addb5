/* SPDX-License-Identifier: MIT */
/*
 * Everything that can be refused is refused before the mount, and said where it is found out.
 */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "control/control.h"
#include "exec/execution.h"
#include "exec/reaper.h"
#include "exec/recover.h"
#include "exec/restore.h"
#include "fuse/front.h"
#include "fuse/session.h"
#include "metrics.h"
#include "mountpoint_check.h"
#include "seal/seal.h"
#include "status.h"
#include "storage.h"
#include "store/place.h"
#include "store/room.h"
#include "store/stub.h"
#include "store/trash.h"
#include "takeover/guardian.h"
#include "takeover/handover.h"
#include "tuning.h"
#include "util/cleanup.h"
#include "util/fault.h"
#include "util/log.h"

/* Threads that serve requests. Source: two for each CPU keep it busy while one waits for the store. */
#define THREADS_MIN 4
#define THREADS_MAX 16

unsigned int daemon_threads(const struct config *c)
{
	unsigned int n = (unsigned int)get_nprocs() * 2;

	if (c->threads)
		return (unsigned int)c->threads;
	return MIN_OF(MAX_OF(n, (unsigned int)THREADS_MIN), (unsigned int)THREADS_MAX);
}

/* ---- upcalls ---- */

static void add_status(void *ctx, json_t *object)
{
	status_add(ctx, object);
}

static void add_metrics(void *ctx, FILE *out)
{
	struct daemon *d = ctx;
	const struct metrics_sources sources = {
		.store = &d->store,
		.trash = d->trash,
		.seal = d->seal,
		.reaper = d->reaper,
		.ttl_ns = exec_default_ttl(d->execs),
		.takeovers = daemon_deaths(d),
		.hung = guardian_hung(d->keep),
		.takeover_ns = (uint64_t)guardian_waited_ns(d->keep),
	};

	fs_metrics(d->fs, out);
	metrics_write(&sources, out);
}

static int write_config(void *ctx, char **ret_text)
{
	return tuning_text(ctx, ret_text);
}

static int change_config(void *ctx, const struct control_caller *caller, const char *text,
			 size_t len, struct control_reason *why)
{
	return tuning_change(ctx, caller, text, len, why);
}

static int upgrade(void *ctx, struct control_reason *why)
{
	const struct daemon *d = ctx;

	if (d->guardian)
		return -EINPROGRESS;
	(void)snprintf(why->text, sizeof(why->text),
		       "no other process can take the place of this one: %s; mount anew\n",
		       d->alone_why);
	return -EOPNOTSUPP;
}

static void root_changed(void *ctx, const char *id)
{
	fs_exec_dir_changed(((struct daemon *)ctx)->fs, id);
}

static void mount_ended(void *ctx)
{
	struct daemon *d = ctx;

	(void)pthread_kill(d->main_thread, SIGTERM);
}

/* ---- from the bottom up ---- */

static int build_executions(struct daemon *d)
{
	uint32_t dmask = config_dmask(&d->config);
	struct exec_config config = {
		.limits = tuning_limits(&d->config),
		.ttl_ns = d->config.ttl_ns,
		.autodir = d->config.autodir,
		.dir_mode = dmask == UINT32_MAX ? 01777 : 0777 & ~dmask,
		.privacy = { .on = d->config.privacy, .mounter = getuid() },
	};
	struct room_marks marks = config_marks(&d->config);
	int r = exec_table_new(&d->store, d->trash, d->ledger, &config, d->ledger_state.next_number,
			       &d->execs);

	if (r == 0)
		r = restore_begin(d->execs, &d->store, d->ledger,
				  d->ledger_state.state == LEDGER_CLEAN, &d->restore);
	if (r == 0 && d->takeovers == 0)
		r = restore_end(TAKE_PTR(d->restore));
	if (r == 0)
		r = reaper_new(d->execs, &d->store, d->ledger, &marks, &d->reaper);
	if (r < 0)
		log_error("store %s: cannot read its tree: %s", d->store.path, strerror(-r));
	return r;
}

/* Where somebody waits for a dead worker's successor the front is built beside that. `r`: what came of the front. */
static int await_executions(struct daemon *d, int r)
{
	int restored = restore_end(TAKE_PTR(d->restore));

	if (restored < 0)
		log_error("store %s: cannot read its tree: %s", d->store.path, strerror(-restored));
	return r < 0 ? r : restored;
}

/* A ledger that cannot be relied on does not know which files have a ttl of their own. */
static bool may_have_own_ttls(struct daemon *d)
{
	int64_t next;

	if (d->ledger_state.state != LEDGER_CLEAN)
		return d->takeovers > 0 || exec_count(d->execs) > 0;
	return ledger_next_file_expiry(d->ledger, d->config.ttl_ns, &next) < 0 || next != INT64_MAX;
}

_Static_assert(DEDUP_MIN_LEAST == STUB_MIN, "see config.h");
_Static_assert((int)DEDUP_MOUNT == (int)SHARE_MOUNT, "see config.h");

static void collapser_lasts(void *keep)
{
	guardian_may_hang(keep);
}

static int build_seal(struct daemon *d)
{
	struct seal_config config = {
		.hugepages = (enum seal_hugepages)d->config.hugepages,
		.hash = (enum seal_hash)d->config.hash,
		.clean_ledger = d->ledger_state.state == LEDGER_CLEAN,
		.dedup = (enum share_scope)d->config.dedup,
		.dedup_min_bytes = d->config.dedup_min_bytes,
		.lasts = collapser_lasts,
		.lasts_arg = d->keep,
	};
	int r = seal_new(&d->store, d->ledger, &config, &d->seal);

	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	return r;
}

/* A copy in another execution, of what only one may share, is none. */
static enum fs_clone clone_scope(const struct daemon *d)
{
	switch ((enum share_scope)d->config.dedup) {
	case SHARE_OWNER:
		return FS_CLONE_OWN;
	case SHARE_MOUNT:
		return FS_CLONE_ALL;
	default:
		return FS_CLONE_NONE;
	}
}

static int build_front(struct daemon *d)
{
	struct fs_config config = {
		.passthrough = d->config.passthrough != PASSTHROUGH_OFF,
		.uid = d->config.uid,
		.gid = d->config.gid,
		.fmask = config_fmask(&d->config),
		.dmask = config_dmask(&d->config),
		.privacy = d->config.privacy,
		.watched = d->config.limit == LIMIT_STRICT && d->config.exec_bytes > 0,
		.own_ttls = may_have_own_ttls(d),
		.unsettled = d->ledger_state.state != LEDGER_CLEAN,
		.clone = clone_scope(d),
		.threads = daemon_threads(&d->config),
		.slow_ns = d->config.slow_ns,
		.keep = d->keep,
	};
	struct control_upcalls control_up = { .ctx = d,
					      .seal = d->seal,
					      .status = add_status,
					      .metrics = add_metrics,
					      .config = write_config,
					      .change = change_config,
					      .upgrade = upgrade,
					      .root_changed = root_changed };
	struct seal_upcalls seal_up;
	struct exec_upcalls exec_up;
	struct trash_upcalls trash_up;
	int r = fs_new(&config, &d->store, d->execs, d->ledger, d->seal, &d->fs);

	if (r == 0)
		r = control_new(d->keep, d->execs, d->ledger, &control_up, &d->control);
	if (r < 0) {
		log_error("cannot start: %s", strerror(-r));
		return r;
	}
	fs_set_control(d->fs, d->control);
	fs_set_reaper(d->fs, d->reaper);
	exec_up = (struct exec_upcalls){
		.ctx = d->fs, .going = fs_exec_going, .gone = fs_exec_gone, .stays = fs_exec_stays
	};
	exec_table_set_upcalls(d->execs, &exec_up);
	trash_up = (struct trash_upcalls){ .ctx = d->fs,
					   .left = fs_name_gone,
					   .watched = fs_last_name };
	trash_set_upcalls(d->trash, &trash_up);
	seal_up = (struct seal_upcalls){
		.ctx = d->fs,
		.traffic = fs_traffic,
		.is_closed = fs_is_closed,
		.is_open = fs_is_open,
		.claim = fs_claim,
		.settle = fs_settle,
		.make_stub = fs_make_stub,
		.settle_stub = fs_settle_stub,
		.let_go = fs_let_go,
	};
	seal_set_upcalls(d->seal, &seal_up);
	return 0;
}

/* Mount, where mounts are seen. */
/* Whether it is mounted although this process cannot be replaced. */
static int check_takeover(const struct daemon *d)
{
	if (!d->alone_why[0] || d->config.takeover == TAKEOVER_OFF)
		return 0;
	if (d->config.takeover == TAKEOVER_ON) {
		log_error("takeover=on: %s", d->alone_why);
		return -EOPNOTSUPP;
	}
	log_warning("no takeover: %s; the mount ends if this process dies", d->alone_why);
	return 0;
}

static int connect_front(struct daemon *d)
{
	struct session_config config = {
		/* As fstab has it: mount -a goes by that, and by the path that it leads to, to see what is mounted. */
		.source = d->store.memory ? d->config.source : d->store.path,
		.mountpoint = d->mountpoint,
		.options = d->options,
		.threads = daemon_threads(&d->config),
		.keep = d->keep,
	};
	int r = store_leave(&d->store);

	if (r == 0 && d->mountpoint_hangs && d->takeovers == 0) {
		log_warning("detaching a batonfs that does not answer mountpoint=%s",
			    d->mountpoint);
		r = mountpoint_detach(d->mountpoint);
	}
	if (r == 0 && d->takeovers > 0)
		r = session_attach(&config, d->fs, &d->session);
	else if (r == 0)
		r = session_mount(&config, d->fs, &d->session);
	if (store_enter(&d->store) < 0 && r == 0)
		r = -EIO;
	if (r == -EPERM || r == -EACCES)
		log_error("no privilege to mount at %s; run batonfs as root (CAP_SYS_ADMIN)",
			  d->mountpoint);
	else if (r < 0)
		log_error("cannot mount at %s: %s", d->mountpoint, strerror(-r));
	return r;
}

static int mount_front(struct daemon *d)
{
	int r = connect_front(d);

	if (r < 0)
		return r;
	r = session_start(d->session, mount_ended, d);
	if (r == -ENODEV && d->takeovers > 0)
		log_info("unmounted meanwhile mountpoint=%s", d->mountpoint);
	else if (r < 0)
		log_error("cannot serve %s: %s", d->mountpoint, strerror(-r));
	if (r == 0 && d->guardian && !session_can_be_attached(d->session)) {
		(void)snprintf(d->alone_why, sizeof(d->alone_why), "%s",
			       "the kernel sends no request again (Linux 6.9 does)");
		r = check_takeover(d);
	}
	return r;
}

static int check_passthrough(struct daemon *d)
{
	const char *why;

	if (fs_passthrough(d->fs, &why) || d->config.passthrough == PASSTHROUGH_OFF)
		return 0;
	if (d->config.passthrough == PASSTHROUGH_ON) {
		log_error("passthrough=on: %s", why);
		return -EOPNOTSUPP;
	}
	log_warning("no passthrough: %s; contents go through the daemon, which is slower", why);
	return 0;
}

static int start_background(struct daemon *d)
{
	struct reaper_upcalls up = {
		.ctx = d->fs,
		.remove_file = fs_remove_file,
		.is_lent = fs_is_lent,
		.writers = fs_writers,
		.give_up = fs_give_up,
		.collect = fs_collect,
		.vanish = fs_exec_vanish,
		.seal = d->seal,
		.recover = { .ctx = d->fs, .settle_stub = fs_settle_stub, .settled = fs_settled }
	};
	enum recover_how how = d->ledger_state.state == LEDGER_CLEAN ? RECOVER_SUMS : RECOVER_FILES;
	int r = trash_start(d->trash);

	if (r == 0)
		r = seal_start(d->seal);
	if (r == 0)
		r = reaper_start(d->reaper, &up);
	if (r == 0)
		r = recover_files_new(d->execs, &d->store, d->ledger, how, &up.recover,
				      &d->recover);
	if (r < 0)
		log_error("cannot start threads: %s", strerror(-r));
	return r;
}

/* mount(8)'s. */
static int make_options(struct daemon *d)
{
	return asprintf(&d->options, "%s,%s,%s%s%s", d->config.suid ? "suid" : "nosuid",
			d->config.dev ? "dev" : "nodev", d->config.exec ? "exec" : "noexec",
			d->config.readonly ? ",ro" : "", d->config.noatime ? ",noatime" : "") < 0
		       ? -ENOMEM
		       : 0;
}

/* What a next process would find, if there is to be one. */
static int make_keep(struct daemon *d)
{
	bool wanted = d->config.takeover != TAKEOVER_OFF;
	int r = keep_new(wanted, &d->keep);

	if (!wanted)
		(void)snprintf(d->alone_why, sizeof(d->alone_why), "takeover=off");
	if (r == 0 || r == -ENOMEM || !wanted)
		return r;
	(void)snprintf(d->alone_why, sizeof(d->alone_why), "cannot make what outlives it: %s",
		       strerror(-r));
	r = check_takeover(d);
	return r < 0 ? r : keep_new(false, &d->keep);
}

int daemon_prepare(struct daemon *d)
{
	struct mountpoint_error error;
	int r = make_keep(d);

	if (r == 0)
		r = mountpoint_check_device(&error);
	else
		return r;
	if (r == 0 && d->config.mkdir)
		r = mountpoint_make(d->config.mountpoint, d->config.mkdir_mode, &error);
	if (r == 0)
		r = mountpoint_check(d->config.mountpoint, &d->mountpoint, &d->mountpoint_hangs,
				     &error);
	if (r < 0) {
		log_error("%s", error.text);
		return r == -ENOENT && !d->mountpoint && access("/dev/fuse", F_OK) < 0 ? -ENXIO : r;
	}
	r = make_options(d);
	return r < 0 ? r : storage_open(d);
}

int daemon_adopt(struct daemon *d)
{
	int r = make_options(d);

	if (r == 0)
		r = store_adopt(&d->store);
	spilldir_adopt(&d->spill);
	return r < 0 ? r : store_enter(&d->store);
}

int daemon_build(struct daemon *d)
{
	int r;

	tuning_restore(d);
	r = storage_open_ledger(d);
	guardian_step(d->keep, "ledger");
	if (r == 0)
		r = build_executions(d);
	if (r == 0)
		r = build_seal(d);
	if (r == 0)
		r = build_front(d);
	guardian_step(d->keep, "front");
	r = await_executions(d, r);
	guardian_step(d->keep, "executions");
	if (r == 0)
		r = mount_front(d);
	if (r == 0)
		r = check_passthrough(d);
	if (r == 0)
		r = start_background(d);
	return r;
}

/* ---- and down again ---- */

void daemon_leave(struct daemon *d)
{
	seal_end_unasked(d->seal);
	session_leave(d->session);
	FAULT_HANG("leaves");
	trash_stop(d->trash);
	recover_files_free(d->recover);
	reaper_stop(d->reaper);
	seal_end(d->seal);
	seal_free(d->seal);
	handover_note_ledger(d->keep, ledger_leave(d->ledger));
	handover_left(d->keep);
}

int daemon_take_down(struct daemon *d)
{
	int r = 0;

	if (d->session) {
		(void)!store_leave(
			&d->store); /* what is mounted can be unmounted only where it is */
		r = session_unmount(d->session);
		(void)!store_enter(&d->store);
	}
	recover_files_free(d->recover);
	reaper_stop(d->reaper);
	seal_end(d->seal); /* answers requests, which end with the session */
	session_free(d->session);
	reaper_free(d->reaper);
	seal_free(d->seal);
	if (d->trash)
		trash_set_upcalls(d->trash, NULL);
	fs_free(d->fs);
	control_free(d->control);
	exec_table_free(d->execs);
	trash_free(d->trash);
	if (d->ledger)
		place_note(&d->store);
	ledger_free(d->ledger);
	if (d->store.path)
		store_close(&d->store);
	spilldir_close(&d->spill);
	if (d->keep)
		guardian_ended(d->keep, r);
	keep_free(d->keep);
	free(d->options);
	free(d->mountpoint);
	return r;
}

void daemon_let_go(struct daemon *d)
{
	blobs_free(d->store.blobs);
	free(d->store.path);
	free(d->spill.path);
	keep_free(d->keep);
	free(d->options);
	free(d->mountpoint);
}
