/* SPDX-License-Identifier: MIT */
/*
 * Metrics in Prometheus' text format, version 0.0.4: a head for each family, then its samples. Knows how they are
 * written, not what there is to tell. An error of the stream is the caller's to find at its end (ferror(3)).
 *
 *     # HELP batonfs_opens_total Opens of files.
 *     # TYPE batonfs_opens_total counter
 *     batonfs_opens_total{path="daemon"} 3
 */
#ifndef UTIL_PROMETHEUS_H
#define UTIL_PROMETHEUS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum prom_type {
	PROM_COUNTER, /* only grows, and begins at 0 with the process; its name ends in _total */
	PROM_GAUGE,
	PROM_HISTOGRAM,
};

/* Once for each family, before its samples. `help` is one line. */
void prom_head(FILE *out, const char *name, enum prom_type type, const char *help);

/* A sample with one label, or with none if `label` is NULL. The value of a label may be any text. */
void prom_uint(FILE *out, const char *name, const char *label, const char *value, uint64_t n);
/* Seconds, of nanoseconds. */
void prom_seconds(FILE *out, const char *name, const char *label, const char *value, uint64_t ns);

/* Several labels of a sample: ends with a NULL instead of a key. The sample is 1, as befits an _info. */
void prom_info(FILE *out, const char *name, const char *const *labels);

/* A family of one sample. */
void prom_one(FILE *out, const char *name, enum prom_type type, const char *help, uint64_t n);

/*
 * The samples of one histogram. `le_ns` are the upper bounds of the first n buckets, rising; counts[i] is what fell
 * into bucket i alone, counts[n] what is above them all.
 */
void prom_histogram(FILE *out, const char *name, const char *label, const char *value, size_t n,
		    const uint64_t *le_ns, const uint64_t *counts, uint64_t sum_ns);

#endif
