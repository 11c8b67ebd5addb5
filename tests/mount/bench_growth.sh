#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tools/bench --growth finds what it looks for, with small numbers of everything.
# timeout: 120
# variants: memory-on
# builds: ci
# alone
. "$TESTS/lib/mount.sh"

python3 "$TESTS/bench/bench.py" --growth --smoke --build "$BUILD" --program "$BUILD/tests/workload" \
	--output "$WORK/bench" || fail "bench.py --growth (exit $?)"
for what in "memory of the daemon with all files" "start over a full store after a kill" \
	"its space is back after"; do
	expect grep -q "$what" "$WORK/bench/growth.md"
done
