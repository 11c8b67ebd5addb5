#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 120
# The Debian package under a running system: an upgrade takes mounts with takeover=on over to the new program, below
# what is open and mapped, of the unit, of fstab and by hand; it leaves the others alone, and says so. Removing it ends
# the units, and leaves what else is mounted; what it brought is gone then.
. "$TESTS/lib/service.sh"

command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null || skip "no dpkg-dev"

unit=batonfs@data-tmp.service
build=$TESTS/../build/$(basename "$BUILD")
machine_prepare
mkdir -p "$ROOT"/var/lib/{unit,fstab,plain} "$ROOT"/data/{fstab,plain,"by hand"} "$ROOT"/var/lib/dpkg/{info,updates,triggers}
: >"$ROOT/var/lib/dpkg/status"
: >"$ROOT/var/lib/dpkg/available"

expect flock "$build" cpack --config "$build/CPackConfig.cmake" -B "$WORK/package" >"$WORK/cpack.log"
old=$(echo "$WORK"/package/batonfs_*_*.deb)
version=$(dpkg-deb -f "$old" Version)
newer=${version%?}x
expect dpkg-deb -R "$old" "$WORK/new"
sed -i "s/^Version: .*/Version: $newer/" "$WORK/new/DEBIAN/control"
sed -i "s/$version/$newer/g" "$WORK/new/usr/bin/batonfs"
expect dpkg-deb -b --root-owner-group -Znone "$WORK/new" "$WORK/new.deb" >/dev/null
cp "$old" "$ROOT/root/old.deb" && cp "$WORK/new.deb" "$ROOT/root/new.deb" || fail cp

printf 'source = /var/lib/unit\n' >"$ROOT/etc/batonfs/data-tmp.conf"
cat >"$ROOT/etc/fstab" <<'END'
/var/lib/fstab   /data/fstab   fuse.batonfs  defaults      0 0
/var/lib/plain   /data/plain   fuse.batonfs  takeover=off  0 0
END
# Has a file open, mapped and locked; says so, and when it is told to go on whether all is as it was.
cat >"$ROOT/root/user.py" <<'END'
import fcntl, mmap, os, sys, time
file = open(sys.argv[1], "w+b")
file.write(b"before" + bytes(mmap.PAGESIZE))
file.flush()
view = mmap.mmap(file.fileno(), mmap.PAGESIZE)
fcntl.flock(file, fcntl.LOCK_EX)
open(sys.argv[2] + ".ready", "w").close()
while not os.path.exists("/run/go"):
    time.sleep(0.02)
view[0:6] = b"mapped"
file.seek(6)
file.write(b" and written")
file.flush()
other = open(sys.argv[1], "rb")
try:
    fcntl.flock(other, fcntl.LOCK_SH | fcntl.LOCK_NB)
    said = "no longer locked"
except BlockingIOError:
    said = (view[0:18] + b"|" + other.read(18)).decode()
with open(sys.argv[2] + ".tmp", "w") as out:
    out.write(said)
os.rename(sys.argv[2] + ".tmp", sys.argv[2])
END
machine_boot

# install PACKAGE: what it says
install() {
	on env DEBIAN_FRONTEND=noninteractive dpkg --force-depends --force-confold -i "/root/$1.deb" </dev/null 2>&1 ||
		fail "dpkg -i: exit $?"
}

on umount /data/fstab /data/plain
said=$(install old) || fail "$said"
expect_eq "" "$(grep '^batonfs:' <<<"$said")" "said by the first installation"
expect_eq "install ok installed $version" "$(on dpkg-query -W -f '${Status} ${Version}' batonfs)"

expect on systemctl start "$unit"
expect on mount /data/fstab
expect on mount /data/plain
expect on batonfs memory:50M "/data/by hand"
declare -A uses=([/data/tmp]=$newer [/data/fstab]=$newer ["/data/by hand"]=$newer [/data/plain]=$version)
for mountpoint in "${!uses[@]}"; do
	name=/run/used-${mountpoint##*[/ ]}
	expect on systemd-run -q --service-type=exec python3 /root/user.py "$mountpoint/4711_file" "$name"
	wait_until 20 on test -e "$name.ready"
done
pid=$(on systemctl show -P MainPID "$unit")

said=$(install new) || fail "$said"
for mountpoint in "${!uses[@]}"; do
	expect_eq "${uses[$mountpoint]}" "$(status_of "$mountpoint" 'd["version"]')" "the program of $mountpoint"
	if [ "${uses[$mountpoint]}" = "$newer" ]; then
		grep -Fx "batonfs: upgraded $mountpoint: $version -> $newer" <<<"$said" >/dev/null || fail "$mountpoint: $said"
	fi
done
grep -q "^batonfs: /data/plain goes on with the program that it has, .*takeover=off" <<<"$said" || fail "$said"
expect_eq "active running $pid" \
	"$(on systemctl show -P ActiveState "$unit") $(on systemctl show -P SubState "$unit") $(on systemctl show -P MainPID "$unit")"
: | on tee /run/go
for mountpoint in "${!uses[@]}"; do
	name=/run/used-${mountpoint##*[/ ]}
	wait_until 20 on test -e "$name"
	expect_eq "mapped and written|mapped and written" "$(on cat "$name")" "who used $mountpoint"
	expect_eq "mapped and written" "$(on head -c 18 "$mountpoint/4711_file")" "$mountpoint"
done
expect_eq "" "$(on journalctl -q -o cat -p err _COMM=batonfs)" "errors"

# The units are its own to end.
said=$(on dpkg --force-depends -r batonfs 2>&1) || fail "dpkg -r: $said"
expect_eq "/data/by hand,/data/fstab,/data/plain" "$(on findmnt -nl -t fuse.batonfs -o TARGET | sort | paste -sd,)" "mounted after dpkg -r"
for mountpoint in "/data/by hand" /data/fstab /data/plain; do
	grep -q "^batonfs: $mountpoint stays mounted" <<<"$said" || fail "$said"
	expect_eq "mapped and written" "$(on head -c 18 "$mountpoint/4711_file")" "$mountpoint without a package"
	expect on umount "$mountpoint"
done
expect_eq "inactive" "$(on systemctl show -P ActiveState "$unit")"
said=$(on dpkg --force-depends -P batonfs 2>&1) || fail "dpkg -P: $said"
expect_eq "data-tmp.conf" "$(ls "$ROOT/etc/batonfs")" "what is left of the configuration: the administrator's"
expect_eq "" "$(find "$ROOT/usr/" "$ROOT/etc" \( -name 'baton*' -o -name '*.batonfs' \) ! -path "$ROOT/etc/batonfs*")" "files left"
expect_eq "mapped and written" "$(on head -c 18 /var/lib/fstab/tree/4711_file)" "the store"
