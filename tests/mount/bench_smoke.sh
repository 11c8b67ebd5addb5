#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each workload of the benchmark yields numbers on each contestant that can be had here, and the report
# has them. How large they are is not looked at.
# timeout: 180
# variants: memory-on
# builds: ci
. "$TESTS/lib/mount.sh"

python3 "$TESTS/bench/bench.py" --smoke --build "$BUILD" --program "$BUILD/tests/workload" \
	--output "$WORK/bench" || fail "bench.py (exit $?)"
for name in batonfs bare tmpfs; do
	grep -q "^| $name " "$WORK/bench/report.md" || fail "$name was not measured"
done
expect grep -q '"median": ' "$WORK/bench/report.json"
expect_fail grep -q "on batonfs.*: " "$WORK/bench/report.md"
