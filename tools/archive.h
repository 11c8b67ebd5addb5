/* SPDX-License-Identifier: MIT */
/*
 * An execution as a tar stream, by libarchive: pax, with what else than bytes a file has (holes, extended attributes, ACLs,
 * times to the nanosecond, modes, owners, hard and symbolic links). It begins with the execution's directory, whose
 * attributes user.baton.ttl and user.baton.pinned are the execution's.
 *
 * Functions complain of what fails.
 */
#ifndef TOOLS_ARCHIVE_H
#define TOOLS_ARCHIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "client.h"
#include "util/macro.h"

struct archive;

/* Print what libarchive has just failed with: "export 4711: Write error: No space left on device". */
void archive_complain(const char *command, const char *what, struct archive *a);

/* What was written or read. */
struct archive_sums {
	uint64_t files;	  /* names of regular files */
	uint64_t bytes;	  /* of their contents that were moved: no holes, nothing twice */
	uint64_t skipped; /* neither file, directory nor link: each was complained of */
};

/*
 * All of `id`, whose execution.json is `execution`, to `fd`. The working directory becomes the mountpoint. 0; -ENOMEM,
 * -EIO (something could not be read or written), then the archive has no end, which whoever reads it sees.
 */
int archive_export(const struct client *c, const char *id, const json_t *execution, int fd,
		   struct archive_sums *ret) WARN_UNUSED;

struct archive_wishes {
	const char *id;	    /* NULL: as it was exported */
	const char *source; /* what is read, for messages */
	bool force;	    /* one of this ID that exists is released first */
	bool merge;	    /* ... is added to */
};

/*
 * From `fd`, compressed or not. As all of it or not at all: what has come so far is released after a failure and when a
 * signal ends the program, but with `merge`, where only the file goes that is not complete. Until it is done there is a
 * file .baton-*.part in the execution: who was killed by SIGKILL has left that. As root, in a root directory that is the mountpoint: no link in it leads outside. ret_id: BATON_ID_MAX + 1
 * bytes, "" if there was none. 0; -EEXIST; -EBADMSG (no archive of an execution); -EIO.
 */
int archive_import(const struct client *c, int fd, const struct archive_wishes *wishes,
		   char *ret_id, struct archive_sums *ret) WARN_UNUSED;

#endif
