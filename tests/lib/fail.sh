# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced after mount.sh, before anything is mounted: calls of the daemon that fail when a test says so (src/util/fault.h).

orders=$WORK/orders
export BATONFS_FAULT_CALLS=$orders

# fail_at CALL ERROR [TIMES]: from now on that call fails, so many times.
fail_at() {
	rm -f "$orders.hit"
	echo "$1 1 ${3-1000000} $(python3 -c "import errno; print(errno.$2)")" >"$orders.new"
	mv "$orders.new" "$orders"
	point="$1 $2"
}

work_again() {
	rm -f "$orders"
}

has_failed() {
	[ -e "$orders.hit" ]
}
