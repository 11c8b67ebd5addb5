/* SPDX-License-Identifier: MIT */
/*
 * The names of filesystems.
 */
#ifndef UTIL_FSTYPE_H
#define UTIL_FSTYPE_H

/* By f_type of statfs(2): "ext4", "tmpfs", ..., a constant string; NULL: none that matters here. */
const char *fstype_name(long magic);

#endif
