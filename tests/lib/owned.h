/* SPDX-License-Identifier: MIT */
/*
 * Names that one client owns, so that nothing it sees is anybody else's doing: what they must be, and whether they are.
 * A check that fails says so with the time of CLOCK_MONOTONIC, and ends the process with 1.
 *
 * A file's content follows from its tag and size. A symbolic link leads to "to N", N its `inode`. A directory of number N
 * holds one file that is called N if N is odd, and nothing otherwise.
 *
 * The log has a line for each name and file that a step has touched:
 *
 *     n NAME KIND INODE
 *     i INODE TAG SIZE XATTR MODE
 */
#ifndef TESTS_OWNED_H
#define TESTS_OWNED_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define OWNED_NAMES 12
#define OWNED_FILES 32 /* with those that have no name and are held */
#define OWNED_HELD 4
#define OWNED_PATH_MAX 512

/* Bytes. Large enough to be shared and put into huge pages. */
#define OWNED_SIZE_MAX (3U << 20)

enum owned_kind {
	OWNED_NONE,
	OWNED_FILE,
	OWNED_SYMLINK,
	OWNED_DIRECTORY,
};

struct owned_name {
	enum owned_kind kind;
	unsigned int inode; /* of a file: its place in `files` */
};

struct owned_file {
	uint32_t tag;
	uint32_t size;
	uint32_t xattr; /* its value; 0: none */
	uint32_t mode;
	uint64_t ino; /* as first seen; 0: not yet */
};

/* Open all the time. */
struct owned_held {
	int fd; /* owned; -1: none */
	unsigned int inode;
	const char *map; /* owned mapping of the first `mapped` bytes; or NULL */
	size_t mapped;
};

struct owned {
	const char *prefix; /* borrowed; of all names: a directory's if it ends in a slash */
	FILE *log;	    /* owned */
	struct owned_name names[OWNED_NAMES];
	struct owned_file files[OWNED_FILES];
	struct owned_held held[OWNED_HELD];
	char got[OWNED_SIZE_MAX + 1];
	char want[OWNED_SIZE_MAX];
};

/* An error that nobody may see; errno says which. */
__attribute__((noreturn, format(printf, 1, 2))) void owned_die(const char *format, ...);

/* buf: OWNED_PATH_MAX bytes, and what is returned. */
const char *owned_path(const struct owned *o, unsigned int name, char *buf);

/* Bytes [from, from + len) of content `tag`. */
void owned_fill(char *buf, uint32_t tag, size_t from, size_t len);

/* Names that a file has. */
unsigned int owned_links(const struct owned *o, unsigned int inode);

/* Is a name as it must be? Are all that is held open? */
void owned_check(struct owned *o, unsigned int name);
void owned_check_held(struct owned *o);

void owned_log(struct owned *o, unsigned int name);

/* All names and files are what the log says. */
void owned_read_log(struct owned *o);

#endif
