#!/bin/bash
# SPDX-License-Identifier: MIT
# autodir=off: a directory is there when somebody makes it, and until somebody removes it.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o autodir=off
[ ! -e "$MNT/4711" ] || fail "4711 is there"
expect_errno ENOENT touch "$MNT/4711/x"
expect mkdir "$MNT/4711"
is_real 4711 || fail "a directory is an execution"
was=$(stat -c %i "$MNT/4711")
expect touch "$MNT/4711/x"
expect_eq 4711 "$(exec_of "$MNT/4711/x")"
expect rm "$MNT/4711/x"
[ -d "$MNT/4711" ] || fail "it went by itself"
expect_eq "$was" "$(stat -c %i "$MNT/4711")"
expect_errno EEXIST mkdir "$MNT/4711"
expect rmdir "$MNT/4711"
[ ! -e "$MNT/4711" ] || fail "4711 is there again"
expect_eq removed "$(why 4711 'r["reason"]')"
expect_errno ENOENT rmdir "$MNT/4711"
touch "$MNT/4711_flat"
is_real 4711 || fail "a flat file is an execution"
