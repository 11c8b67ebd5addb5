/* SPDX-License-Identifier: MIT */
/*
 * The interface that a batonfs mount shows to programs: files under .baton and extended attributes. It
 * is all there is: no socket, no library. This header names them; `baton` is a client of it.
 *
 *     .baton/                         not listed in the root, always there
 *         version                     "batonfs 0.1.0"
 *         status.json                 the mount: one JSON object
 *         executions.json             every real execution: {"executions":[ ... ]}
 *         metrics                     counters and gauges in Prometheus' text format; docs/metrics.md lists them
 *         config       rw         the options, as lines of a configuration file; see below. Root may change some
 *         upgrade      rw         reads as version; root writes anything: the batonfs that is installed now takes over
 *         sharing.json rw         what is shared, as one JSON object; root's. Write "remove": unused content goes
 *         check.json   rw         whether files, shared contents and the ledger agree, likewise; the tree is walked.
 *                                 Write "repair": what can be is repaired, EAGAIN: not yet, after an unclean end
 *         progress.json r         how far the making of sharing.json and check.json is, while they are made; root's
 *         accesslog                   what is done from the open on, line by line; docs/accesslog.md
 *         executions/ID/              one directory per real execution; ENOENT otherwise
 *             execution.json          all of the below as one JSON object
 *             ttl          rw         seconds with up to 3 decimals, or "never"; write "90", "30m",
 *                                     "never" or "default"
 *             expires      r          seconds since the epoch with 3 decimals, or "never"
 *             pinned       rw         0 or 1
 *             owner        r          "UID GID PID COMM" of the process that made the execution real
 *             bytes files  r          sums over its regular files
 *             shared       r          of these bytes, those whose content is shared; its owner's and root's
 *             stored       r          what they take on the store: of shared content, its part; likewise
 *             limit_bytes limit_files  r  how much it may have, a number or "none"
 *             release      w          write anything: the execution is released
 *         why/ID                      what is known of an ID, alive or gone, as one JSON object; ENOENT
 *                                     if nothing is
 *
 * Every readable file but accesslog ends in a newline and is read whole at open. A write is complete in one write(2):
 * EINVAL (not of the form), ERANGE, EACCES (not the owner of the execution, nor root), ENOENT (gone).
 *
 * With privacy=on users other than root and who mounted find their own executions only, in executions, executions.json
 * and why; user.baton.* of another's execution is EACCES, but for execution and what is of one's own file.
 *
 * config has a line for each option, with where it was said, so that all of it can be saved as a configuration file:
 *
 *     ttl = 30m # file /etc/batonfs/data-tmp.conf:3 (can be changed)
 *     source = "/var/lib/my store" # environment BATONFS_SOURCE
 *
 * in quotes ("" or '') if the value has blanks, quotes or a #; the origin is "default", "file PATH:LINE", "environment
 * VARIABLE", "command line" or "changed at run time"; "(can be changed)" behind it means: while mounted. Root writes
 * "ttl=30m high=90%", all of which is done or nothing: EINVAL, ERANGE, EPERM (an option that cannot be changed while
 * mounted). Whoever has opened it for reading and writing reads why from then on, one line, instead of the options.
 *
 * A write to upgrade returns when the other program answers; EOPNOTSUPP: it takes takeover=on; ECANCELED: that program could
 * not go on, and all is as before. Why is read as from config.
 *
 * JSON objects; fields are added, never renamed; times are numbers, seconds since the epoch:
 *
 *   an execution   {"execution":"4711","state":"active","lifetime":"ttl"|"files"|"external",
 *                   "owner":{"uid":1000,"gid":1000,"pid":77,"comm":"node"},
 *                   "created":1790000000.123,"active":1790000010.5,"expires":1790003610.5 or null,
 *                   "ttl":3600.0 or null,"pinned":false,"bytes":104857600,"files":1,"limit_bytes":null or ...,
 *                   "limit_files":null or ...,"open":0}
 *                  (n8n's own data, lifetime "external", may have the ID of another execution; then
 *                  executions.json has both and executions/ID is the other)
 *   why            {"execution":"4711","now":{an execution} or null,
 *                   "releases":[{"reason":"expired"|"released"|"empty"|"evicted"|"removed"|"unrecorded"
                     (gone at a start: batonfs was killed before it was written down),
 *                     "path":"" or "file.bin", "released":...,"created":...,"active":...,"ttl":3600.0 or null,
 *                     "owner":{...},"by":{...} or null,"bytes":...,"files":...}, newest first]}
 *   status.json    {"version":"0.1.0","mountpoint":"/data/tmp","store":"/var/lib/batonfs"|"memory",
 *                   "pid":1234 (the guardian's, if there is one),"worker":1235 (who serves),
 *                   "takeover":true,"takeover_why":"" or why nobody takes over from who serves,"takeovers":0,"hung":0 (of these, killed by the watchdog),"upgrades":0,"started":...,"passthrough":true,"passthrough_why":"" or why not,
 *                   "filesystem":"tmpfs"|"ext4"|...,"hugepages":"within_size"|"",
 *                   "ttl":3600.0 or null,"autodir":true,"threads":4,
 *                   "executions":2,"bytes":...,"files":...,"open":0,"slow":requests that took longer than option slow says,
 *                   "size":...,"free":...,"inodes_known":...,"control_nodes_known":... (of .baton),"trash":0,
 *                   "requests":{"lookup":1,...},"opens":{"passthrough":1,"daemon":0},
 *                   "refreshed":0,
 *                   "ledger":{"state":"clean"|"unclean"|"new"|"replaced","set_aside":"","events":..,
 *                             "commits":..,"waits":..,"lost":..,"queued":..,"error":""},
 *                   "room":{"high":"90%"|"2.00 GiB"|"never","low":..,"evicted":executions,
 *                           "evicted_files":..,"evicted_bytes":..},
 *                   "spill":null or {"directory":"..","filesystem":"ext4"|...,"contents":.. and
 *                            "bytes":.. that are there,"free":.. for more,"moved":.. and "moved_bytes":.. of
 *                            memory since the start,"refused":times that it took nothing,"short":whether memory is short, so that new files
 *                            begin there,"begun":contents that did},
 *                   "limits":{"bytes":.. or null,"files":.. or null,"limit":"open"|"strict"},
 *                   "seal":{"hugepages":"auto"|"always"|"off","collapsed":bytes,
 *                           "hashed_files":..,"hashed_bytes":..,"dropped":files}}
 *
 *   sharing.json   {"ready":true or false (garbage is not known yet),"stubs":files that share,"shared":their bytes,
 *                   "blobs":contents,"stored":bytes they take,"saved":bytes,"garbage_blobs":..,"garbage":bytes,
 *                   "made":..,"removed":.. (since the start),"dropped":files not looked at}
 *   check.json     {"ready":true or false,"files":..,"stubs":..,"blobs":..,"problems":..,
 *                   "list":[{"problem":"damaged-mark"|"stale-mark"|"not-punched"|"no-blob"|"ledger"|
 *                           "unused-blob"|"foreign","path":".."}, at most 1000]}
 *   progress.json  {"tasks":[{"task":"check" (check.json)|"contents"|"unused" (sharing.json),"unit":"files"|"contents",
 *                   "done":..,"whole":about how many there are, or null,"seconds":since it began}]}
 *
 * Extended attributes, on anything below the root, seen by getxattr(2) and not listed by listxattr(2):
 *
 *   user.baton.execution  r     the execution's ID
 *   user.baton.owner      r     as the file
 *   user.baton.ttl        rw    on an execution's directory: the execution's; on a regular file: the
 *                               file's own, which from then on expires by itself ("default" undoes it)
 *   user.baton.expires    r     of the file if it has a lifetime of its own, else of its execution
 *   user.baton.pinned     rw    of the execution
 *   user.baton.bytes, user.baton.files  r   of the execution
 *   user.baton.limit_bytes, user.baton.limit_files  r   of the execution
 *   user.baton.sealed     r     of a regular file: 1 if nobody can write to it, by an open or a mapping, else 0
 *   user.baton.xxh3       r     of a regular file: the hash of its content, XXH3-128 in 32 hexadecimal digits, as
 *                               `xxhsum -H2` prints it. Asking waits until it is known; ENODATA if somebody can
 *                               write to the file, or writes all the time; EFBIG if it has more than 64 GiB of holes
 *   user.baton.hashed     r     of a regular file that is being hashed: how many of its bytes have been; else ENODATA
 *   user.baton.spilled    r     of a regular file: 1 if its content is in the directory of option spill, else 0
 *   user.baton.shared     r     of a regular file: 1 if its content is shared with others, else 0. For root; and where only
 *                               files of one owner share (dedup=owner), for the file's owner. EACCES: all others, so
 *                               that nobody learns what others have
 */
#ifndef BATON_INTERFACE_H
#define BATON_INTERFACE_H

#define BATON_VERSION "0.1.0"

/* The type of the mount in /proc/self/mountinfo. */
#define BATON_FSTYPE "fuse.batonfs"

#define BATON_DIR ".baton"
#define BATON_XATTR_PREFIX "user.baton."

/* Longest execution ID, bytes. Source: long enough for a UUID with a prefix, short for a file name. */
#define BATON_ID_MAX 128

#endif
