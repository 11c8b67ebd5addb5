#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
#
# Everything that does not take root is possible in a container that has the mount and nothing else of batonfs: no
# program of its, no /proc, no network, no rights, user 1000. What `baton` does is done with files and attributes.
. "$TESTS/lib/mount.sh"

own_namespace
mount_batonfs -o ttl=1h
echo theirs >"$MNT/5000_file"

root=$WORK/root
mkdir "$root"
expect mount -t tmpfs none "$root"
mkdir -p "$root/usr" "$root/data/tmp" "$root/dev" "$root/tmp"
chmod 1777 "$root/tmp"
for name in bin sbin lib lib64; do
	[ ! -L "/$name" ] || cp -a "/$name" "$root/"
done
expect mount --rbind /usr "$root/usr"
expect mount -o remount,bind,ro "$root/usr"
expect mount --bind "$MNT" "$root/data/tmp"
for name in null urandom; do
	: >"$root/dev/$name"
	expect mount --bind "/dev/$name" "$root/dev/$name"
done

cat >"$root/tmp/inside" <<'END'
set -eu
m=/data/tmp
b=$m/.baton
is() { [ "$2" = "$3" ] || { echo "$1: '$3', not '$2'"; exit 1; }; }
has() { case $2 in *"$3"*) ;; *) echo "$1: no '$3' in: $2"; exit 1 ;; esac; }
attr() { getfattr --only-values --absolute-names -n "user.baton.$1" "$2"; }
refused() { if (eval "$1") 2>/dev/null; then echo "allowed: $1"; exit 1; fi; }

# put, ref, verify, get
head -c 300000 /dev/urandom >/tmp/data
mkdir -p $m/4711/sub
cp /tmp/data $m/4711/data
is execution 4711 "$(attr execution $m/4711/sub)"
hash=$(attr xxh3 $m/4711/data)
is "length of the hash" 32 ${#hash}
cp $m/4711/data $m/4711/sub/again
is "hash of a copy" "$hash" "$(attr xxh3 $m/4711/sub/again)"
is sealed 1 "$(attr sealed $m/4711/data)"
cmp /tmp/data $m/4711/data

# ls, stat, status, top, metrics, config, why
has ls "$(ls $b/executions)" 4711
has executions.json "$(cat $b/executions.json)" '"execution":"4711"'
has execution.json "$(cat $b/executions/4711/execution.json)" '"uid":1000'
has owner "$(cat $b/executions/4711/owner)" "1000 "
is files 2 "$(cat $b/executions/4711/files)"
is bytes 600000 "$(attr bytes $m/4711)"
has status.json "$(cat $b/status.json)" '"executions":'
has metrics "$(cat $b/metrics)" batonfs_executions
has config "$(cat $b/config)" "ttl = 1h # command line"
has version "$(cat $b/version)" "batonfs "
has why "$(cat $b/why/4711)" '"now":{'

# ttl, pin: by files, by attributes, of a file alone
echo 2h >$b/executions/4711/ttl
is ttl 7200 "$(attr ttl $m/4711)"
setfattr -n user.baton.ttl -v 30m $m/4711
is ttl 1800 "$(cat $b/executions/4711/ttl)"
echo default >$b/executions/4711/ttl
is ttl 3600 "$(cat $b/executions/4711/ttl)"
setfattr -n user.baton.ttl -v 7d $m/4711/data
is "ttl of a file" 604800 "$(attr ttl $m/4711/data)"
echo 1 >$b/executions/4711/pinned
is expires never "$(cat $b/executions/4711/expires)"
setfattr -n user.baton.pinned -v 0 $m/4711
is pinned 0 "$(cat $b/executions/4711/pinned)"

# export, import
tar -C $m/4711 -cf /tmp/4711.tar .
mkdir -p $m/4712
tar -C $m/4712 -xf /tmp/4711.tar
is "hash of what was imported" "$hash" "$(attr xxh3 $m/4712/data)"

# accesslog: lines of one's own
dd if=$b/accesslog of=/tmp/line bs=64k count=1 2>/dev/null &
while kill -0 $! 2>/dev/null; do : >$m/4712/touched; done
has accesslog "$(cat /tmp/line)" "uid=1000"

# release, and why it is gone
echo 1 >$b/executions/4712/release
refused "ls $m/4712/data"
has why "$(cat $b/why/4712)" '"reason":"released"'

# What is root's, or another's
for file in sharing.json check.json progress.json upgrade; do refused "cat $b/$file"; done
refused "echo ttl=1s >$b/config"
refused "echo 1 >$b/executions/5000/release"
refused "echo 1 >$b/executions/5000/pinned"
refused "rm $m/5000_file"
is "another's file" theirs "$(cat $m/5000_file)"
echo done
END
said=$(timeout 50 unshare --net --ipc --uts --pid --fork setpriv --no-new-privs \
	chroot --userspec=1000:1000 --groups= "$root" /bin/sh /tmp/inside 2>&1)
umount "$root/data/tmp" || fail "umount"
expect_eq done "$said"
