#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on ext4-off
# builds: ci
# privacy: users see and reach what is theirs only, by whatever way; and by looking they do no harm to whom it belongs.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

own_namespace "$@"
mount_batonfs -o privacy
mkdir "$MNT/n8n" "$MNT/handed" && chmod 755 "$MNT/n8n"
run_as 1000 bash -c "umask 0; mkdir -p $MNT/5/dir $MNT/named && echo secret >$MNT/5/file && echo secret >$MNT/5_flat &&
	echo secret >$MNT/loose && echo secret >$MNT/8_flat && echo x >$MNT/6_gone && $BATON -m $MNT release 6 &&
	chmod 777 $MNT/5 $MNT/named $MNT/5/dir && chmod 666 $MNT/5/file $MNT/5_flat $MNT/loose" || fail "write"
chown 1001 "$MNT/handed"
expect_eq "600 1000" "$(stat -c '%a %u' "$MNT/8_flat")" "a flat file"

# ---- whoever looks, and whatever is cached ----

ways() {
	local what

	for what in "stat $MNT/5" "stat $MNT/named" "stat $MNT/loose" "stat $MNT/5_flat" "stat $MNT/5/file" "stat $MNT/8" \
		"ls $MNT/5" "cat $MNT/5/file" "cat $MNT/5/none" "cat $MNT/5_flat" "cat $MNT/loose" "echo x >$MNT/5/file" \
		"echo x >$MNT/5_flat" "echo x >$MNT/5/new" "echo x >$MNT/5_new" "echo x >$MNT/8/new" "mkdir $MNT/5" "mkdir -p $MNT/5" \
		"mkdir $MNT/named" "mkdir $MNT/5/new" "rm $MNT/loose" "rm -r $MNT/5" "rmdir $MNT/5/dir" "mv $MNT/5 $MNT/mine/5" \
		"mv $MNT/5_flat $MNT/mine/" "mv $MNT/mine/own $MNT/5_own" "mv $MNT/mine/own $MNT/loose" "mv -T $MNT/mine $MNT/named" \
		"ln $MNT/5/file $MNT/mine/link" "ln $MNT/loose $MNT/mine/link" "ln $MNT/mine/own $MNT/5_link" "ln -s x $MNT/5_link" \
		"mkfifo $MNT/5_fifo" "getfattr -n user.baton.owner $MNT/5" "getfattr -n user.baton.bytes $MNT/mine_" \
		"setfattr -n user.baton.pinned -v 1 $MNT/5" "ls $MNT/.baton/executions/5" "cat $MNT/.baton/executions/5/owner" \
		"ls $MNT/.baton/executions/_" "cat $MNT/.baton/why/5" "cat $MNT/.baton/why/6" "echo 1 >$MNT/.baton/executions/5/release" \
		"echo 1 >$MNT/.baton/executions/5/pinned" "echo 1 >$MNT/.baton/executions/5/ttl" "$BATON -m $MNT stat 5" \
		"$BATON -m $MNT why 5" "$BATON -m $MNT release 5" "$BATON -m $MNT ttl 5 1s" "$BATON -m $MNT ref $MNT/5/file" \
		"$BATON -m $MNT put 5 $MNT/mine/own" "cat $MNT/.baton/sharing.json" "cat $MNT/.baton/check.json"; do
		expect_fail run_as 1001 bash -c "$what" >"$WORK/out" 2>&1
		! grep -qE "secret|1000" "$WORK/out" || fail "told by: $what: $(cat "$WORK/out")"
	done
}

# seen_by UID: the top, as listed with attributes and without, and by baton.
seen_by() {
	run_as "$1" bash -c "ls -A $MNT; echo; ls -Al --color=always $MNT >/dev/null; ls -A $MNT/.baton/executions | sort; echo
		$BATON -m $MNT --json ls | python3 -c 'import json, sys
print(*sorted(e[\"execution\"] for e in json.load(sys.stdin)[\"executions\"]), sep=\"\n\")'" | paste -sd' '
}

run_as 1001 bash -c "mkdir $MNT/mine; echo own >$MNT/mine/own; echo own >$MNT/mine_" || fail "write"
expect_eq "handed mine mine_ n8n  mine  mine" "$(seen_by 1001)" "1001 sees"
expect_eq "5 5_flat 8_flat loose n8n named  5 8 named  5 8 named" "$(seen_by 1000)" "1000 sees"
all="5 8 _ handed mine n8n named"
expect_eq "5 5_flat 8_flat handed loose mine mine_ n8n named  $all  $all" "$(seen_by 0)" "root sees"
ways
for user in 0 1000; do # what they have looked up and listed, the kernel has
	run_as $user bash -c "ls -lR $MNT; stat $MNT/5 $MNT/loose $MNT/5_flat; cat $MNT/5/file" >"$WORK/out" || fail "$user reads"
	grep -q secret "$WORK/out" || fail "$user reads"
	expect_eq "handed mine mine_ n8n  mine  mine" "$(seen_by 1001)" "1001 sees"
done
expect run_as 1001 bash -c "echo x >$MNT/handed/x; echo x >$MNT/9/x; $BATON -m $MNT ttl 9 2h; cat $MNT/.baton/why/9" >"$WORK/out"
expect_eq "1001 2" "$(stat -c %u "$MNT/9/x") $(run_as 1001 cat "$MNT/.baton/status.json" | python3 -c '
import json, sys; print(json.load(sys.stdin)["files"] - 6)')" "sums are of all"
expect_eq "9" "$(run_as 1001 getfattr --only-values -n user.baton.execution "$MNT/9/x")"
expect_errno EACCES run_as 1001 getfattr -n user.baton.owner "$MNT/mine_"
expect_eq 3600 "$(run_as 1001 getfattr --only-values -n user.baton.ttl "$MNT/mine_")"

# ---- no harm: descriptors, working directories and mounts of whom it belongs to ----

mount -t tmpfs tmpfs "$MNT/5/dir" || fail "mount"
coproc OWNER { run_as 1000 bash -c "cd $MNT/5 && exec 5<file 6<$MNT/5_flat && echo ready && read -r _ && /bin/pwd -P && ls -l /proc/self/fd &&
	cat <&5 && ls"; }
owner=$OWNER_PID
read -r line <&"${OWNER[0]}"
expect_eq ready "$line"
ways
echo >&"${OWNER[1]}"
cat <&"${OWNER[0]}" >"$WORK/out"
wait "$owner" || fail "its owner: $(cat "$WORK/out")"
expect_eq "$MNT/5 secret dir file" "$(sed -n '1p; /^secret/p; /^dir/p; /^file/p' "$WORK/out" | paste -sd' ')"
expect_eq "2 0" "$(grep -cE "$MNT/(5/file|5_flat)\$" "$WORK/out") $(grep -c deleted "$WORK/out")" "descriptors"
expect umount "$MNT/5/dir"

# ---- what was open while it was nobody's; what is given ----

python3 - "$MNT" <<'END' || fail "descriptors"
import errno, os, socket, sys
mnt = sys.argv[1]
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)

def run_as(uid, what):
    """What it returns, or the errno."""
    out, into = os.pipe()
    if os.fork() == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        try:
            os.write(into, repr(what()).encode())
        except OSError as e:
            os.write(into, repr(errno.errorcode[e.errno]).encode())
        os._exit(0)
    os.close(into)
    os.wait()
    with os.fdopen(out) as f:
        return eval(f.read())

def opened(uid, path, flags=os.O_RDONLY):
    def give():
        socket.send_fds(theirs, [b"x"], [os.open(path, flags)])
    got = run_as(uid, give)
    if got is not None:
        sys.exit(f"{uid} opens {path}: {got}")
    return socket.recv_fds(ours, 1, 1)[1][0]

def expect(wanted, got, what):
    if got not in wanted:
        sys.exit(f"{what}: expected {wanted}, got {got}")

def make(path, dir_fd=None):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666, dir_fd=dir_fd), "w") as f:
        f.write("secret")

for how in os.O_RDONLY, os.O_PATH | os.O_DIRECTORY:
    id = f"{mnt}/{20 + bool(how)}"
    fd = opened(1001, id, how)
    if how == os.O_RDONLY:
        expect([[]], run_as(1001, lambda: os.listdir(fd)), "listing of what is nobody's")
    expect([None], run_as(1000, lambda: make(f"{id}/file")), "its first file")
    expect([None], run_as(1000, lambda: os.mkdir(f"{id}/sub")), "mkdir")
    expect([None], run_as(1000, lambda: [os.chmod(f"{id}{p}", m) for p, m in (("", 0o777), ("/sub", 0o777), ("/file", 0o666))] and None), "chmod")
    expect([["file", "sub"]], run_as(1000, lambda: sorted(os.listdir(id))), "its owner's listing")
    expect([b"secret"], run_as(1000, lambda: open(f"{id}/file", "rb").read()), "its owner reads") # the name is known now
    below = opened(1000, f"{id}/sub")
    for name, what in {
        "stat of a file": lambda: os.stat("file", dir_fd=fd) and None,
        "reading": lambda: open(os.open("file", os.O_RDONLY, dir_fd=fd), "rb").read(),
        "reading by its path": lambda: open(f"/proc/self/fd/{fd}/file", "rb").read(),
        "writing": lambda: os.close(os.open("file", os.O_WRONLY | os.O_TRUNC, dir_fd=fd)),
        "truncating": lambda: os.truncate(f"/proc/self/fd/{fd}/file", 0),
        "a way through": lambda: os.stat("sub/none", dir_fd=fd),
        "listing": lambda: os.listdir(fd),
        "listing again": lambda: os.listdir(f"/proc/self/fd/{fd}"),
        "stat": lambda: os.stat("none", dir_fd=fd),
        "making": lambda: make("other", fd),
        "mkdir": lambda: os.mkdir("other", dir_fd=fd),
        "symlink": lambda: os.symlink("x", "other", dir_fd=fd),
        "unlink": lambda: os.unlink("file", dir_fd=fd),
        "rename": lambda: os.rename("file", "other", src_dir_fd=fd, dst_dir_fd=fd),
        "link": lambda: os.link("file", "other", src_dir_fd=fd, dst_dir_fd=fd),
        "chmod": lambda: os.chmod(f"/proc/self/fd/{fd}", 0o700),
        "utimes": lambda: os.utime(f"/proc/self/fd/{fd}"),
        "owner": lambda: os.getxattr(f"/proc/self/fd/{fd}", "user.baton.owner"),
        "ttl": lambda: os.setxattr(f"/proc/self/fd/{fd}", "user.baton.ttl", b"1s"),
    }.items():
        denied = ["ENOMEM", "EACCES", "EPERM", "EBADF"] if how & os.O_PATH else ["ENOMEM", "EACCES", "EPERM"]
        expect(denied, run_as(1001, what), f"{name} of what was nobody's")
    expect([f"{id}/sub"], run_as(1000, lambda: os.fchdir(below) or os.getcwd()), "its owner's working directory")
    expect([None], run_as(1000, lambda: os.rmdir(f"{id}/sub")), "rmdir")
    os.close(below)
    os.close(fd)

fd = opened(1000, f"{mnt}/20/file")
expect([b"secret"], run_as(1001, lambda: os.pread(fd, 6, 0)), "a file that was given")
fd = opened(1000, f"{mnt}/20")
expect([["file"]], run_as(1001, lambda: os.listdir(fd)), "a directory that was given")
END

# ---- an ID is free again when it has been released ----

expect run_as 1000 "$BATON" -m "$MNT" release 5
expect run_as 1001 bash -c "echo mine >$MNT/5/x"
expect_errno ENOMEM run_as 1000 cat "$MNT/5/x"
expect run_as 1001 cat "$MNT/5/x" >/dev/null
expect unmount_batonfs
[ "$STORE_KIND" != memory ] || exit 0
mount_batonfs -o privacy,takeover=on
kill -9 "$(status 'd["worker"]')"
expect_eq "True 1" "$(run_as 1001 cat "$MNT/.baton/config" | grep -q '^privacy = on ' && status '"True %d" % d["takeovers"]')" "taken over"
expect_eq "20 21 8_flat loose n8n named" "$(run_as 1000 ls -A "$MNT" | paste -sd' ')" "after a new mount"
expect_errno ENOMEM run_as 1000 cat "$MNT/5/x"
expect run_as 1001 cat "$MNT/5/x" >/dev/null
expect unmount_batonfs
