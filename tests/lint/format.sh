#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 200
#
# Usage: tests/lint/format.sh [--fix]
#
# Every C file is as clang-format writes it. Versions differ in what they write, so only 14 counts.
cd "$(dirname "$0")/../.." || exit 1

format=$(command -v clang-format-14 || command -v clang-format)
case $("${format:-false}" --version 2>/dev/null) in
*"version 14."*) ;;
*)
	echo "no clang-format 14 here"
	exit 77
	;;
esac
if [ "${1:-}" = --fix ]; then
	find src include tools tests -name '*.[ch]' -exec "$format" -i {} +
	exit
fi
find src include tools tests -name '*.[ch]' -exec "$format" --dry-run --Werror {} + 2>/dev/null && exit
status=0
while IFS= read -r -d '' file; do
	"$format" "$file" | diff -u --label "$file" --label "$file (formatted)" "$file" - || status=1
done < <(find src include tools tests -name '*.[ch]' -print0)
[ $status = 0 ] || echo "to apply: tests/lint/format.sh --fix"
exit $status
