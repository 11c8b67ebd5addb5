/* SPDX-License-Identifier: MIT */
/*
 * Whether the machine has been started anew since a store was last used. Between two daemons of one boot the page
 * cache has lost nothing; across a boot, power may have been lost, and with it what a disk filesystem had not written
 * yet of a file whose new times it had.
 */
#ifndef STORE_BOOT_H
#define STORE_BOOT_H

#include <stdbool.h>

/*
 * Whether this inode (of a store's directory) says that it was last used in this boot; from now on it does. False
 * also if that cannot be told.
 */
bool boot_is_same(int fd);

#endif
