/* SPDX-License-Identifier: MIT */
/*
 * Whether the machine has been started anew since a store was last used. Between two daemons of one boot the page
 * cache has lost nothing; across a boot, power may have been lost, and with it what a disk filesystem had not written
 * yet of a file whose new times it had.
 */
#ifndef STORE_BOOT_H
#define STORE_BOOT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Whether this inode (of a store's directory) says that it was last used in this boot; from now on it does. False
 * also if that cannot be told.
 */
bool boot_is_same(int fd);

/*
 * The time that lifetimes are counted in. It goes as CLOCK_MONOTONIC does from the first use of the store in a boot on,
 * and was the wall clock's then: whoever sets that later, by NTP or by hand, makes nothing older or younger.
 */
struct boot_time {
	int64_t base_ns; /* it is so much ahead of CLOCK_MONOTONIC in this boot */
	bool goes_on; /* it was, too, when the store was last used, and the ledger has all of that */
	int64_t last_ns; /* if not: what it was at least by then. 0: not known */
};

/*
 * Ask this inode, before boot_is_same() of the same start. What is in the store of the time before is to be in the new one
 * when this has returned and boot_note_time() is called first.
 */
void boot_time(int fd, struct boot_time *ret);

/* So late it is: once in a while, and at the end. Not while the ledger does not take what is used. */
void boot_note_time(int fd, int64_t now_ns);

/* The ledger may not have what was used after this moment. Noted once, as long as that is so. */
void boot_note_untold(int fd, int64_t since_ns);
/* It has all; and what boot_time() said is in it, too. */
void boot_note_told(int fd);

#endif
