/* SPDX-License-Identifier: MIT */
/*
 * What the front counts, as metrics. docs/metrics.md describes them all, for whoever watches a mount.
 */
#include "fuse/fs.h"
#include "util/log.h"
#include "util/prometheus.h"

/* Bounds shown: each of the counted ones up to 64 us, where answers are, every other one above. */
#define FINE_BOUNDS 7

/*
 * What a byte costs that is handed over by value, nanoseconds. Source: 62.5 MB/s, which README.md measured for JSON
 * between Node and Python (docs/metrics.md, What is saved).
 */
#define BY_VALUE_NS 16

static uint64_t read_count(const _Atomic uint64_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed);
}

static void put_durations(struct fs *fs, FILE *out)
{
	static const char name[] = "batonfs_request_duration_seconds";

	prom_head(out, name, PROM_HISTOGRAM,
		  "Time from reading a request of the kernel to having answered it, by operation.");
	for (unsigned int op = 0; op < FS_OP_MAX_; op++) {
		uint64_t bounds[LATENCY_BUCKETS];
		uint64_t counts[LATENCY_BUCKETS] = { 0 };
		struct latency_sum sum;
		size_t n = 0;

		latency_read(fs->latency, op, &sum);
		for (unsigned int i = 0; i < LATENCY_BUCKETS; i++) {
			counts[n] += sum.bucket[i];
			if (i < FINE_BOUNDS || (i - FINE_BOUNDS) % 2 == 1)
				bounds[n++] = UINT64_C(1) << (LATENCY_FIRST_SHIFT + i);
		}
		prom_histogram(out, name, "op", fs_op_name((enum fs_op)op), n, bounds, counts,
			       sum.sum_ns);
	}
}

/* An operation and an error that met: there are few of them, of what could be thousands. */
static void put_errors(struct fs *fs, FILE *out)
{
	static const char name[] = "batonfs_request_errors_total";

	prom_head(out, name, PROM_COUNTER, "Requests answered with an error.");
	for (unsigned int op = 0; op <= FS_OP_MAX_; op++) {
		for (int e = 0; e < FS_ERRNO_MAX; e++) {
			uint64_t n = read_count(&fs->errors[op][e]);

			if (n > 0)
				fprintf(out, "%s{op=\"%s\",errno=\"%s\"} %llu\n", name,
					fs_op_name((enum fs_op)op), log_errname(e),
					(unsigned long long)n);
		}
	}
}

/* Of opens, and of what they gave, by the way that the bytes take. */
static void put_by_path(FILE *out, const char *name, const char *help, uint64_t passthrough,
			uint64_t daemon)
{
	prom_head(out, name, PROM_COUNTER, help);
	prom_uint(out, name, "path", "passthrough", passthrough);
	prom_uint(out, name, "path", "daemon", daemon);
}

static void put_saved(struct fs *fs, FILE *out)
{
	static const char seconds[] = "batonfs_estimated_saved_seconds_total";
	uint64_t bytes = read_count(&fs->given_passthrough) + read_count(&fs->cloned_bytes);

	prom_one(out, "batonfs_not_copied_bytes_total", PROM_COUNTER,
		 "Bytes handed over by reference: given to readers by passthrough, or cloned.",
		 bytes);
	prom_head(out, seconds, PROM_COUNTER,
		  "Estimate of the time that handing them over by value would have taken.");
	prom_seconds(out, seconds, NULL, NULL, bytes * BY_VALUE_NS);
}

static void put_directories(struct fs *fs, FILE *out)
{
	static const char name[] = "batonfs_directory_lookups_total";
	struct dircache_counts n;

	dircache_count(fs->dirs, &n);
	prom_head(out, name, PROM_COUNTER,
		  "Directories that requests needed open, by whether they were.");
	prom_uint(out, name, "result", "hit", n.hits);
	prom_uint(out, name, "result", "miss", n.misses);
}

void fs_metrics(struct fs *fs, FILE *out)
{
	put_durations(fs, out);
	put_errors(fs, out);
	put_saved(fs, out);
	put_directories(fs, out);
	put_by_path(out, "batonfs_opens_total", "Opens of files, by who moves their bytes.",
		    read_count(&fs->opens_passthrough), read_count(&fs->opens_daemon));
	put_by_path(out, "batonfs_handed_over_bytes_total",
		    "Sizes of files at their opens for reading, by who moves their bytes.",
		    read_count(&fs->given_passthrough), read_count(&fs->given_daemon));
	prom_one(out, "batonfs_passthrough", PROM_GAUGE,
		 "1: the kernel reads and writes without the daemon.", fs->config.passthrough);
	prom_one(out, "batonfs_backing_registrations_total", PROM_COUNTER,
		 "Backing files made known to the kernel; passthrough opens without one were warm.",
		 read_count(&fs->registered));
	prom_one(out, "batonfs_read_bytes_total", PROM_COUNTER,
		 "Bytes that clients asked the daemon for, in pages.", read_count(&fs->read_bytes));
	prom_one(out, "batonfs_written_bytes_total", PROM_COUNTER,
		 "Bytes that the daemon wrote for clients.", read_count(&fs->written_bytes));
	prom_one(out, "batonfs_clones_total", PROM_COUNTER,
		 "Copies of files that only share the content.", read_count(&fs->clones));
	prom_one(out, "batonfs_cloned_bytes_total", PROM_COUNTER, "Their sizes.",
		 read_count(&fs->cloned_bytes));
	prom_one(out, "batonfs_refreshed_attributes_total", PROM_COUNTER,
		 "Files whose attributes the kernel was made to fetch after a close.",
		 read_count(&fs->refreshed));
	prom_one(out, "batonfs_known_inodes", PROM_GAUGE,
		 "Inodes that the kernel has in its cache.", itable_count(fs->itable));
}
