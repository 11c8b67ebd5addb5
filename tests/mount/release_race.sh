#!/bin/bash
# SPDX-License-Identifier: MIT
# Opening with O_CREAT while the execution is released, and looking at a directory that comes and goes, never fail.
. "$TESTS/lib/mount.sh"

mount_batonfs
expect release_race "$MNT" ${SECONDS_OF_STRESS:-3}
expect unmount_batonfs
