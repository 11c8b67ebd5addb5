/* SPDX-License-Identifier: MIT */
/*
 * What batonfs is told: on its command line, as batonfs itself, as mount(8)'s helper, or from fstab; by variables of its
 * environment; and by a file. option.h has the table of what there is to tell. For the programs' own sources in src/.
 *
 * The file has a line `key = value` for each option, or a bare key where that has a meaning; blank lines and what stands
 * behind a # are left out; a value may be in quotes. SOURCE and OPTIONS, as older files of the unit have them, are
 * understood. It is /etc/batonfs/NAME.conf, NAME being the mountpoint as `systemd-escape --path` writes it, or, which
 * wins, the mountpoint itself; or what --config or BATONFS_CONFIG says. A variable is BATONFS_ and the name of the
 * option in capitals; an empty one says nothing. The command line wins over the environment, that over the file.
 */
#ifndef CONFIG_H
#define CONFIG_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "store/room.h"
#include "util/address.h"
#include "util/macro.h"

enum passthrough_wish {
	PASSTHROUGH_AUTO,
	PASSTHROUGH_OFF,
	PASSTHROUGH_ON,
};

enum takeover_wish {
	TAKEOVER_AUTO,
	TAKEOVER_OFF,
	TAKEOVER_ON,
};

enum limit_wish {
	LIMIT_OPEN,
	LIMIT_STRICT,
};

/* As enum share_scope of seal/merge.h. */
enum dedup_wish {
	DEDUP_OFF,
	DEDUP_EXECUTION,
	DEDUP_OWNER,
	DEDUP_MOUNT,
};

/* Least of dedup_min. Source: STUB_MIN of store/stub.h. */
#define DEDUP_MIN_LEAST (UINT64_C(64) << 10)

/* Where the files are that are read without being named. */
#define CONFIG_ETC "/etc/batonfs"

/* Who has said an option, by rising precedence. */
enum config_from {
	CONFIG_DEFAULT,
	CONFIG_FILE,
	CONFIG_ENVIRONMENT,
	CONFIG_COMMAND_LINE,
	CONFIG_CHANGED, /* while mounted */
};

struct config_origin {
	enum config_from from;
	unsigned int line; /* CONFIG_FILE: of it */
};

/* At least as many as option.c has. */
#define CONFIG_OPTIONS_MAX 48

/* As it was said; what follows from several of them is below. */
struct config {
	const char *mountpoint; /* borrowed from argv */
	bool foreground;
	bool fake;  /* mount -f: check the command line only */
	bool mkdir; /* make the mountpoint if it is not there */
	uint32_t mkdir_mode;
	bool clear; /* take away what is mounted at `mountpoint`, unless it answers */
	bool help;
	bool version;
	bool helper;	     /* called by mount(8) */
	char file[PATH_MAX]; /* that was read; "": none */
	char warning[256];   /* about the environment, for the log; "": none */
	struct config_origin origins[CONFIG_OPTIONS_MAX]; /* by option_index() */

	char source[PATH_MAX];
	char spill[PATH_MAX]; /* the directory that is spilled to; "": none */
	int64_t ttl_ns;	      /* INT64_MAX: never */
	bool autodir;
	int takeover; /* enum takeover_wish */
	bool privacy;
	struct room_marks marks; /* high not set: nothing is evicted; low not set: config_marks() */
	uint64_t exec_bytes;	 /* 0: no limit */
	uint64_t exec_files;	 /* 0: no limit */
	int limit;		 /* enum limit_wish */
	int passthrough;	 /* enum passthrough_wish */
	int hugepages;		 /* enum seal_hugepages */
	int hash;		 /* enum seal_hash */
	int dedup;		 /* enum dedup_wish */
	uint64_t dedup_min_bytes;
	uint64_t threads; /* 0: by the number of CPUs */
	uint32_t uid;	  /* UINT32_MAX: the caller's */
	uint32_t gid;
	uint32_t umask; /* UINT32_MAX: the caller's */
	uint32_t fmask; /* UINT32_MAX: as umask */
	uint32_t dmask;
	bool suid;
	bool dev;
	bool exec;
	bool readonly;
	bool noatime;
	bool strictatime;    /* unless noatime */
	bool sandbox;	     /* give up what serving does not need, see confine.h */
	int64_t watchdog_ns; /* a worker that answers nothing for so long is replaced; 0: none */
	int64_t slow_ns;     /* requests that take so long are told of; 0: none, and INT64_MAX */
	char metrics[ADDRESS_TEXT_MAX]; /* where HTTP is served; "": nowhere */
	int log;			/* 0 is LOG_LEVEL_ERROR, and so on */
};

/* Why something cannot be used, for one line to a person: it names where it was said, what is wrong, and the cure. */
struct config_error {
	char text[512];
};

/* The command line. 0, or -EINVAL and *error. */
int config_parse(int argc, char **argv, struct config *ret, struct config_error *error) WARN_UNUSED;

/*
 * What the command line has left open, from the environment and the file, for which `etc` is looked through. 0, or
 * -errno and *error, and then c is of no use: -EINVAL, -ENOMEM, another if the file cannot be read.
 */
int config_complete(struct config *c, char *const *envp, const char *etc,
		    struct config_error *error) WARN_UNUSED;

/* Whether all that was said goes together. 0, or -EINVAL and *error. */
int config_check(const struct config *c, struct config_error *error) WARN_UNUSED;

/* Where something is said. */
struct config_place {
	enum config_from from;
	const char *name; /* CONFIG_FILE: its path; CONFIG_ENVIRONMENT: the variable */
	unsigned int line;
};

/*
 * One option; value NULL: the bare name. What was said with higher precedence stays, but this is checked as well. 0, or
 * -EINVAL, -ERANGE and *error. For config_file.c and tuning.c.
 */
int config_say(struct config *c, const char *name, const char *value,
	       const struct config_place *where, struct config_error *error) WARN_UNUSED;
/* "ttl=1h,ro,...": changes the text. */
int config_say_list(struct config *c, char *list, const struct config_place *where,
		    struct config_error *error) WARN_UNUSED;
PRINTF(3, 4)
int config_fail(struct config_error *error, const struct config_place *where, const char *fmt, ...);

/* "default", "file /etc/batonfs/data-tmp.conf:3", "environment BATONFS_TTL", ...; returns buf. */
const char *config_origin_text(const struct config *c, size_t option, char *buf, size_t len);

/* The marks, with the low one that is meant where none is said. */
struct room_marks config_marks(const struct config *c);

/* fmask or dmask: with privacy nothing is for others unless it is said. */
static inline uint32_t config_mask(const struct config *c, uint32_t mask)
{
	if (mask == UINT32_MAX)
		mask = c->umask;
	return mask == UINT32_MAX && c->privacy ? 077 : mask;
}

static inline uint32_t config_fmask(const struct config *c)
{
	return config_mask(c, c->fmask);
}

static inline uint32_t config_dmask(const struct config *c)
{
	return config_mask(c, c->dmask);
}

void config_help(FILE *out);

#endif
