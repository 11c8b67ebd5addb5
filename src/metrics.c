/* SPDX-License-Identifier: MIT */
/*
 * One function for each source. Numbers are read when they are asked for, nothing is kept here.
 */
#include "metrics.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/blob_away.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/dir.h"
#include "util/prometheus.h"

/* Position of the start time in /proc/PID/stat, counted from the state behind the name. Source: proc(5). */
#define STAT_START_FIELD 20

static void put_mount(const struct metrics_sources *s, FILE *out)
{
	static const char name[] = "batonfs_mount_info";
	const char *const labels[] = {
		"store",      s->store->memory ? "memory" : s->store->path,
		"filesystem", s->store->filesystem,
		"hugepages",  s->store->huge ? "within_size" : "",
		NULL,
	};

	prom_head(out, name, PROM_GAUGE, "What the store is, and what it is on.");
	prom_info(out, name, labels);
	if (s->ttl_ns == INT64_MAX)
		return;
	prom_head(
		out, "batonfs_default_ttl_seconds", PROM_GAUGE,
		"Time-to-live of executions without one of their own; missing if they do not expire.");
	prom_seconds(out, "batonfs_default_ttl_seconds", NULL, NULL, (uint64_t)s->ttl_ns);
}

static void put_space(const struct metrics_sources *s, FILE *out)
{
	struct statvfs sv;

	if (fstatvfs(s->store->fd, &sv) == 0) {
		prom_one(out, "batonfs_store_size_bytes", PROM_GAUGE,
			 "Size of the filesystem that the store is on.", sv.f_blocks * sv.f_frsize);
		prom_one(out, "batonfs_store_free_bytes", PROM_GAUGE,
			 "What is free of it for everybody.", sv.f_bavail * sv.f_frsize);
		prom_one(out, "batonfs_store_inodes", PROM_GAUGE,
			 "Inodes of that filesystem; 0 if it makes them as needed.", sv.f_files);
		prom_one(out, "batonfs_store_free_inodes", PROM_GAUGE, "Inodes that are free.",
			 sv.f_favail);
	}
	prom_one(out, "batonfs_ledger_wal_bytes", PROM_GAUGE,
		 "Size of the ledger's write-ahead log.", ledger_log_bytes(s->store->fd));
}

static void put_trash(const struct metrics_sources *s, FILE *out)
{
	prom_one(out, "batonfs_trash_entries", PROM_GAUGE,
		 "What was released and is not yet deleted, an estimate.", trash_pending(s->trash));
	prom_one(out, "batonfs_trash_deleted_total", PROM_COUNTER,
		 "Released directories and files that were deleted.", trash_deleted(s->trash));
}

static void put_reaper(const struct metrics_sources *s, FILE *out)
{
	struct reaper_counts n;

	reaper_count(s->reaper, &n);
	prom_one(out, "batonfs_reaper_passes_total", PROM_COUNTER,
		 "Times that lifetimes were looked at.", n.passes);
	prom_one(out, "batonfs_reaper_deferred_total", PROM_COUNTER,
		 "Executions and files whose time was over, but which somebody had open or mapped.",
		 n.deferred);
}

static void put_seal(const struct metrics_sources *s, FILE *out)
{
	struct seal_counts n;

	seal_count(s->seal, &n);
	prom_one(out, "batonfs_collapsed_bytes_total", PROM_COUNTER,
		 "Bytes of closed files that were put into huge pages.", n.collapsed_bytes);
	prom_one(out, "batonfs_hashed_files_total", PROM_COUNTER, "Files whose content was hashed.",
		 n.hash.files);
	prom_one(out, "batonfs_hashed_bytes_total", PROM_COUNTER, "Their sizes.", n.hash.bytes);
	prom_one(out, "batonfs_seal_dropped_total", PROM_COUNTER,
		 "Closed files that were not looked at, because too many waited.", n.dropped);
}

static void put_sharing(const struct metrics_sources *s, FILE *out)
{
	struct seal_counts n;

	seal_count(s->seal, &n);
	prom_one(out, "batonfs_shared_files_total", PROM_COUNTER,
		 "Files that came to share their content with others.", n.share.stubs);
	prom_one(out, "batonfs_shared_saved_bytes_total", PROM_COUNTER,
		 "Bytes of the store that these gave back.", n.share.saved_bytes);
	prom_one(out, "batonfs_blobs_made_total", PROM_COUNTER, "Shared contents that were made.",
		 n.share.blobs_made);
	prom_one(out, "batonfs_blobs_removed_total", PROM_COUNTER,
		 "Shared contents that no file had any more, and that were removed.",
		 n.share.blobs_removed);
}

static void put_takeovers(const struct metrics_sources *s, FILE *out)
{
	prom_one(out, "batonfs_takeovers_total", PROM_COUNTER,
		 "Processes that died and were replaced, since the mount.", s->takeovers);
	prom_one(out, "batonfs_takeovers_hung_total", PROM_COUNTER,
		 "Of these, those that answered nobody and were killed by the watchdog.", s->hung);
	prom_head(out, "batonfs_takeover_seconds_total", PROM_COUNTER,
		  "From their deaths until all was answered that they had been asked.");
	prom_seconds(out, "batonfs_takeover_seconds_total", NULL, NULL, s->takeover_ns);
}

static void put_spill(const struct metrics_sources *s, FILE *out)
{
	struct blob_away_counts away;
	struct seal_counts n;

	seal_count(s->seal, &n);
	blob_count_away(s->store->blobs, &away);
	prom_one(out, "batonfs_spilled_bytes", PROM_GAUGE,
		 "Sizes of the contents that are in the directory that is spilled to.", away.bytes);
	prom_one(out, "batonfs_spilled_contents", PROM_GAUGE, "How many these are.", away.blobs);
	prom_one(out, "batonfs_spill_free_bytes", PROM_GAUGE,
		 "What may still be put there; 0 if nothing is spilled.", away.free_bytes);
	prom_one(out, "batonfs_spill_moved_total", PROM_COUNTER, "Contents that were moved there.",
		 n.spill.contents);
	prom_one(out, "batonfs_spill_moved_bytes_total", PROM_COUNTER,
		 "Bytes of memory that these gave back.", n.spill.bytes);
	prom_one(out, "batonfs_spill_refused_total", PROM_COUNTER,
		 "Times that it took nothing, because it was full or failed.", n.spill.refused);
	prom_one(out, "batonfs_spill_short", PROM_GAUGE,
		 "1 while memory is short, so that new files begin there.", away.drafts_wanted);
	prom_one(out, "batonfs_spill_begun_total", PROM_COUNTER,
		 "Contents that began there, or went there to be written to.", away.drafts);
}

/* ---- the process: the names that every exporter uses ---- */

/* Seconds since the epoch at which the process began, to the second; 0 if /proc does not tell. */
static uint64_t start_time(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/stat", "re");
	char text[1024] = "";
	uint64_t ticks = 0;
	const char *p;

	if (!f || !fgets(text, sizeof(text), f))
		return 0;
	p = strrchr(text, ')'); /* the name may have anything in it */
	for (int i = 0; p && i < STAT_START_FIELD; i++)
		p = strchr(p + 1, ' ');
	if (!p || sscanf(p, "%" SCNu64, &ticks) != 1)
		return 0;
	return (uint64_t)(clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_BOOTTIME)) /
		       (uint64_t)NS_PER_S +
	       ticks / (uint64_t)sysconf(_SC_CLK_TCK);
}

static uint64_t count_fds(void)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	const struct dirent *d;
	uint64_t n = 0;

	while (dir && (d = readdir(dir)))
		n += !dir_is_dot(d->d_name);
	return n > 0 ? n - 1 : 0; /* without this one */
}

static uint64_t resident_bytes(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/statm", "re");
	uint64_t pages = 0;

	if (!f || fscanf(f, "%*u %" SCNu64, &pages) != 1)
		return 0;
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_process(FILE *out)
{
	struct rlimit limit = { 0 };
	struct rusage used = { 0 };
	uint64_t us;

	(void)getrusage(RUSAGE_SELF, &used); /* with these arguments neither fails */
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000u +
	     (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
	prom_head(out, "process_cpu_seconds_total", PROM_COUNTER, "CPU time of the daemon.");
	prom_seconds(out, "process_cpu_seconds_total", NULL, NULL, us * 1000u);
	prom_one(out, "process_resident_memory_bytes", PROM_GAUGE, "Memory of the daemon.",
		 resident_bytes());
	prom_one(out, "process_open_fds", PROM_GAUGE, "Descriptors that the daemon has open.",
		 count_fds());
	prom_one(out, "process_max_fds", PROM_GAUGE, "How many it may have.", limit.rlim_cur);
	prom_one(out, "process_start_time_seconds", PROM_GAUGE,
		 "When the daemon began, since the epoch.", start_time());
}

void metrics_write(const struct metrics_sources *s, FILE *out)
{
	put_mount(s, out);
	put_space(s, out);
	put_trash(s, out);
	put_reaper(s, out);
	put_seal(s, out);
	put_sharing(s, out);
	put_takeovers(s, out);
	put_spill(s, out);
	put_process(out);
}
