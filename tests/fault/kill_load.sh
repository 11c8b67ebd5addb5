#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: ext4-on xfs-on tmpfs-on ext4-off
# kill -9 of the daemon at any moment of a load, and a new mount: every file that was closed before is there
# and whole, every rename is old or new, the ledger agrees with the tree.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

rounds=${ROUNDS:-20}

enough() {
	[ "$(wc -l <"$WORK/record")" -ge "$1" ]
}

# What the ledger says of regular files, against what find says: inode, size, execution.
ledger_agrees() {
	python3 - "$STORE" <<'END'
import os, sqlite3, stat, sys
store = sys.argv[1]
db = sqlite3.connect(f"file:{store}/ledger.db?mode=ro", uri=True, timeout=10)
ids = dict(db.execute("SELECT number, id FROM execution"))
rows = {ino: (size, ids.get(n, f"no execution {n}")) for ino, size, n in db.execute("SELECT ino, size_bytes, execution FROM file")}
tree, execs = {}, set()
top = f"{store}/tree"
for path, dirs, files in os.walk(top):
    for name in files:
        st = os.lstat(os.path.join(path, name))
        rel = os.path.relpath(os.path.join(path, name), top)
        id = rel.split("/")[0] if "/" in rel else rel.split("_")[0]
        execs.add(id)
        if stat.S_ISREG(st.st_mode):
            tree[st.st_ino] = (st.st_size, id)
execs |= {d for d in os.listdir(top) if os.path.isdir(f"{top}/{d}")}
bad = [f"{i}: ledger {rows.get(i)}, tree {tree.get(i)}" for i in rows.keys() | tree.keys() if rows.get(i) != tree.get(i)]
if set(ids.values()) != execs:
    bad.append(f"executions: ledger {sorted(ids.values())}, tree {sorted(execs)}")
print("\n".join(bad[:10]))
sys.exit(bool(bad))
END
}

# The daemon speaks of it only if there was a file in the tree.
reconciled() {
	ledger_agrees >"$WORK/disagree" || return
	[ -z "$(find "$STORE/tree" -type f)" ] || [ "$(grep -c 'reconciled the ledger' "$WORK/daemon.log")" -ge "$1" ]
}

total=0
for ((round = 1; round <= rounds; round++)); do
	mount_batonfs
	: >"$WORK/record" # not by the other shell, which may come late: the last round's would be enough
	load "$MNT" 3 >>"$WORK/record" 2>"$WORK/load.err" &
	pid=$!
	# Some steps at least, then any moment within the time that as many take again.
	steps=$((RANDOM % 2000 + 1))
	wait_until 20 enough $steps
	kill_batonfs
	wait $pid || fail "round $round: $(cat "$WORK/load.err")"

	reconciles=$(grep -c 'reconciled the ledger' "$WORK/daemon.log")
	mount_batonfs
	found=$(load -c "$MNT" <"$WORK/record") || fail "round $round: $found"
	total=$((total + ${found% files}))
	(wait_until 10 reconciled $((reconciles + 1))) >/dev/null || fail "round $round: ledger and tree: $(cat "$WORK/disagree")"
	for id in 1 2 3 4 5; do
		is_real $id || continue
		expect_eq "$(find "$STORE/tree/$id" "$STORE/tree/${id}_"* -type f 2>/dev/null | wc -l)" "$(shown $id files)" \
			"round $round: files of $id"
		release $id
	done
	expect_eq "" "$(ls -A "$MNT")" "round $round: after releasing all"
	unmount_batonfs
done
[ "$total" -gt "$rounds" ] || fail "the load did nothing: $total files"
echo "$total files"
