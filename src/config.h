/* SPDX-License-Identifier: MIT */
/*
 * What batonfs is told on its command line, as batonfs itself, as mount(8)'s helper, or from fstab. One
 * table of options drives parsing, --help and the error messages. For main.c and daemon.h.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "store/room.h"
#include "util/macro.h"

enum passthrough_wish {
	PASSTHROUGH_AUTO,
	PASSTHROUGH_OFF,
	PASSTHROUGH_ON,
};

/* Least of dedup_min. Source: STUB_MIN of store/stub.h. */
#define DEDUP_MIN_LEAST (UINT64_C(64) << 10)

/* Of enum share_scope: SHARE_OWNER. */
#define DEDUP_DEFAULT 2
enum limit_wish {
	LIMIT_OPEN,
	LIMIT_STRICT,
};

struct config {
	const char *source;	/* borrowed from argv */
	const char *mountpoint; /* borrowed from argv */
	bool foreground;
	bool debug;
	bool fake;  /* mount -f: check the command line only */
	bool clear; /* take away what is mounted at `mountpoint`, unless it answers */
	bool help;
	bool version;
	int64_t ttl_ns; /* INT64_MAX: never */
	bool autodir;
	struct room_marks marks; /* high not set: nothing is evicted */
	uint64_t exec_bytes;	 /* 0: no limit */
	uint64_t exec_files;	 /* 0: no limit */
	int limit;		 /* enum limit_wish */
	int passthrough;	 /* enum passthrough_wish */
	int hugepages;		 /* enum seal_hugepages */
	int hash;		 /* enum seal_hash */
	int dedup;		 /* enum share_scope */
	uint64_t dedup_min_bytes;
	uint64_t threads; /* 0: by the number of CPUs */
	uint32_t uid;	  /* UINT32_MAX: the caller's */
	uint32_t gid;
	uint32_t umask; /* UINT32_MAX: the caller's */
	uint32_t fmask;
	uint32_t dmask;
	bool sandbox;
	bool suid;
	bool dev;
	bool exec;
	bool readonly;
	bool noatime;
};

/* Why the command line cannot be used, for one line to a person. */
struct config_error {
	char text[512];
};

/* 0, or -EINVAL and *error. */
int config_parse(int argc, char **argv, struct config *ret, struct config_error *error) WARN_UNUSED;
void config_help(FILE *out);

#endif
