#!/bin/bash
# SPDX-License-Identifier: MIT
# Every path belongs to the execution that the table of rules gives it.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

uuid=0190a8c2-7b1e-7c3d-9f00-0123456789ab
long=$(printf 'x%.0s' {1..128})

mount_batonfs

check() {
	mkdir -p "$(dirname "$MNT/$1")" && echo data >"$MNT/$1" || fail "cannot write $1"
	expect_eq "$2" "$(exec_of "$MNT/$1")" "execution of $1"
}

# The flat form is for IDs of n8n's shape.
check 4711_input.bin 4711
check 4711-input.bin 4711
check 4711.bin 4711
check "${uuid}_input.bin" $uuid
check "$uuid.x" $uuid
check "${uuid^^}.x" ${uuid^^}
check 12345678901234567890_x 12345678901234567890
check 123456789012345678901_x _ # one digit more than 64 bits have
check 4711x _
check x4711_y _
check job_input.bin _
check _ _
check 0190a8c2-x _ # neither a UUID nor a number
check 01908-7b1e 01908

# Directories: any valid name.
check 815/a/b/c 815
check $uuid/a $uuid
check job-7/input.bin job-7
check a.b_c/x a.b_c
check "$long/x" "$long"
expect_eq "$long" "$(exec_of "$MNT/$long")" "directory itself"
check 'two words/x' _
check "x$long/x" _

# What is not a regular file.
ln -s 815/a "$MNT/815/link" && mkfifo "$MNT/77_fifo" || fail "cannot make them"
is_real 77 || fail "a pipe makes no execution real"

# All files of one ID are one execution.
check 815_flat 815
expect_sums 815 2 10
expect_eq 815 "$(why 815 'd["now"]["execution"]')"
expect_eq ttl "$(why 815 'd["now"]["lifetime"]')"
expect_eq files "$(why _ 'd["now"]["lifetime"]')"

# The same after a new lookup of everything.
echo 2 >/proc/sys/vm/drop_caches
expect_eq 4711 "$(exec_of "$MNT/4711.bin")"
expect_eq 815 "$(exec_of "$MNT/815/a/b/c")"
expect_eq _ "$(exec_of "$MNT/two words/x")"
expect_errno EPERM release _
