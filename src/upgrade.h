/* SPDX-License-Identifier: MIT */
/*
 * batonfs in the place of another batonfs, on the same mount. The guardian finds the program that is installed, has it say
 * whether it could go on (`batonfs --takeover-check=FD`), and at last executes it (`batonfs --takeover=FD ...`). FD is the
 * memory that is kept (takeover/keep.h); in it, besides the areas, is a description of the mount, in JSON. Fields are added
 * to it, never renamed; options are named as on the command line, so those that one of the two programs does not know do no
 * harm.
 *
 * What is executed is the file that was executed at first, by its name: argv[0], made absolute, or else what /proc/self/exe
 * was at the start. It is opened once, so what was checked is what is executed. It must belong to root or to whom this
 * process runs as, and nobody else may write to it.
 *
 * The program that was there before is kept open. If the workers of the new one die before they have answered anything, it is
 * executed again; it understands what it finds, for the format is the same.
 */
#ifndef UPGRADE_H
#define UPGRADE_H

#include <limits.h>
#include <stdbool.h>

#include "daemon.h"
#include "takeover/handover.h"
#include "util/macro.h"

/* How long the program may take to answer. Source: far more than it takes on a busy machine, with a sanitizer. */
#define UPGRADE_CHECK_NS (10 * NS_PER_S)

/* The options, each with the number of a descriptor. In no help text: they are for the guardian alone. */
#define UPGRADE_CHECK "--takeover-check="
#define UPGRADE_TAKE_OVER "--takeover="

struct upgrade {
	struct daemon *daemon; /* borrowed */
	char **argv;	       /* borrowed; of main() */
	char path[PATH_MAX];   /* of the program; "": not to be found */
	bool helper;	       /* called by mount(8) */
	int http_fd;	       /* of struct http, whose server goes on; -1: none */
	char before[64];       /* version of the last one */
	int fd;		       /* owned; the program that was checked, O_PATH; -1: none */
	int own_fd;	       /* owned, kept; this one, for the next to go back to; -1: not yet */
	int before_fd;	       /* owned, kept; the one before, likewise; -1: none */
	bool back;	       /* this one was put back, or its successor is to be told so */
};

/* At the start: find out what will be executed. */
void upgrade_init(struct upgrade *u, struct daemon *d, char **argv);

/* If this is what argv asks for: the answer, on standard output, and the exit status. Else -1. */
int upgrade_answer_check(char **argv);

/* Whether argv says that another program has left a mount for this one. */
bool upgrade_is_wanted(char **argv);

/*
 * Take over what it says: the keep, the configuration, the store. *ret_generation: workers so far. 0, or -errno and it was
 * said why; the mount is of no use then.
 */
int upgrade_take_over(struct upgrade *u, unsigned int *ret_generation) WARN_UNUSED;

/* For struct guardian_plan. */
int upgrade_check(struct upgrade *u, int worker_pidfd, struct handover_reason *why) WARN_UNUSED;
void upgrade_replace(struct upgrade *u, unsigned int generation, struct handover_reason *why);
void upgrade_go_back(struct upgrade *u, unsigned int generation, struct handover_reason *why);

/* Write the format of this program into a new keep. */
void upgrade_set_format(struct keep *keep);

#endif
