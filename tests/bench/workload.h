/* SPDX-License-Identifier: MIT */
/*
 * What the benchmark's workloads share. `workload NAME DIR [key=value...]` makes DIR, performs one workload
 * in it, removes what it made, and prints one line of JSON: {"workload": NAME, "series": {"x_ns": [...]}}.
 * It knows nothing of batonfs; whatever goes wrong ends it with a sentence on stderr and status 1.
 *
 * The writer is the process that was started; readers are its children, which are made before anything is
 * measured and take turns with it through pipes. Times are CLOCK_MONOTONIC, so that they can be compared
 * between processes. What is measured by one process may be recorded by it: series are in shared memory.
 */
#ifndef TESTS_BENCH_WORKLOAD_H
#define TESTS_BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PATH_BYTES 4096
#define SECOND_NS UINT64_C(1000000000)

/* Parameters, all of them given by tests/bench/workloads.py. */
struct params {
	const char *dir;
	uint64_t size_bytes;
	uint64_t chunk_bytes; /* of one write; 0: the whole file */
	uint64_t budget_ns;   /* when this is used up, no further pass is begun */
	uint64_t count;	      /* samples, or names per client */
	uint64_t clients;
	uint64_t first;	       /* of the directories that are numbered */
	uint64_t pause_ns;     /* between the writer's close and the reader's open */
	uint64_t idle_ns;      /* between the rounds of a hand-off: nobody does anything */
	uint64_t beside_bytes; /* of each large file that is there as well */
	uint64_t again;	       /* 1: the same file once more, not a new one each time */
};

/* One named list of numbers. The unit is the end of its name: _ns, _mbps, _rate, _kib, or none. */
void record(const char *series, double value);

__attribute__((noreturn)) void fail(const char *what, const char *path);

uint64_t now_ns(void);
void sleep_until_ns(uint64_t mono_ns);
void sleep_ns(uint64_t ns);

/* Two ends of a pair of pipes. `turn_take` is false when the other end is gone. */
struct turns {
	int in;
	int out;
	pid_t pid; /* of the child; 0 in the child */
};

/* Fork a partner that runs `body` with the same parameters and exits. */
struct turns partner_start(void (*body)(struct turns *turns, const struct params *params,
					void *shared),
			   const struct params *params, void *shared);
void partner_finish(struct turns *turns);
void turn_give(struct turns *turns);
bool turn_take(struct turns *turns);

/* Zeroed memory that children share. */
void *shared_new(size_t bytes);

/* DIR/name, or DIR/name.number. */
const char *path_in(const struct params *params, const char *name);
const char *path_number(const struct params *params, const char *name, uint64_t number);

/* A buffer of bytes that differ, all of them in memory. */
char *pattern_new(size_t bytes);

/* Write `size_bytes` to `fd` from offset 0, `chunk_bytes` each time. */
void write_all(int fd, const char *buffer, uint64_t size_bytes, uint64_t chunk_bytes);

/* Create or rewrite a file: open, write, close. */
void write_file(const char *path, const char *buffer, uint64_t size_bytes, uint64_t chunk_bytes);

/* Anonymous memory of this process. */
uint64_t anonymous_kib(void);

/* One entry of the table in workload.c; the functions are in work_*.c. */
void work_handoff(const struct params *params);
void work_beside(const struct params *params);
void work_latency(const struct params *params);
void work_reopen(const struct params *params);
void work_write_over(const struct params *params);
void work_write_new(const struct params *params);
void work_read(const struct params *params);
void work_names(const struct params *params);
void work_roundtrip(const struct params *params);
void work_populate(const struct params *params);
void work_sample(const struct params *params);
void work_list(const struct params *params);
void work_crowd_read(const struct params *params);
void work_crowd_write(const struct params *params);

#endif
