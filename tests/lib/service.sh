# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the scripts of tests/service: a real systemd as process 1 of namespaces of its own (processes,
# mounts, control groups, network, ...), on a root of its own in memory. Its /usr is the machine's with what
# `cmake --install` puts there laid over it; its /etc is empty but for what systemd cannot do without. So what
# is tested is what a user gets: the installed unit, the mount helpers where mount(8) looks for them.
#
#     machine_prepare           make the root; files can then be put below $ROOT
#     machine_boot              start systemd; returns when it has done all it was told to
#     machine_reboot            shut down, and start it again on the same root
#     on COMMAND...             run a command there that ends by itself
#     status_of MOUNT EXPR      what its .baton/status.json says
#     hold FILE                 start a process there that keeps FILE open for writing
#
# The session ends with the script, on every exit: process 1 is killed, and with it goes everything else.

. "$TESTS/lib/mount.sh"
# What is mounted here goes with the script. (Process 1 has a namespace of its own, once more.)
own_namespace "$@"

ROOT=$WORK/root
machine_pid=''	 # of its process 1, as seen here
machine_init=''	 # of unshare(1), which waits for it
machine_group='' # the directory of its control group

# Units that have nothing to do in here, or that would reach out of it.
machine_masked=(systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket
	systemd-udev-trigger.service systemd-journald-audit.socket systemd-logind.service
	systemd-modules-load.service systemd-sysctl.service systemd-binfmt.service kmod-static-nodes.service
	modprobe@.service proc-sys-fs-binfmt_misc.automount sys-kernel-debug.mount sys-kernel-tracing.mount
	sys-kernel-config.mount dev-hugepages.mount dev-mqueue.mount getty.target dbus.service dbus.socket
	systemd-networkd.service systemd-resolved.service systemd-timesyncd.service systemd-random-seed.service
	systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-update-utmp.service)

# The directory of this process's control group; those of scripts that were killed are removed.
machine_groups() {
	local groups=$WORK/groups old

	mkdir "$groups"
	mount -t cgroup2 none "$groups" 2>/dev/null || return 1
	groups+=$(sed -n 's/^0:://p' /proc/self/cgroup)
	for old in "$groups"/batonfs-test.*; do
		[ -d "/proc/${old##*.}" ] || find "$old" -depth -type d -exec rmdir {} + 2>/dev/null
	done
	machine_group=$groups/batonfs-test.$$
	mkdir "$machine_group" 2>/dev/null
}

# Whether this machine lets us have what machine_enter needs; a container may not.
machine_allowed() {
	unshare --mount --cgroup --pid --fork --uts --ipc --net sh -c \
		'mount -t proc none /proc && mount -t sysfs -o ro none /sys && mount -t cgroup2 none /sys/fs/cgroup' 2>/dev/null
}

machine_prepare() {
	local name unit build

	[ -x /usr/lib/systemd/systemd ] && [ -L /lib ] || skip "no systemd, or /usr is not merged"
	machine_groups || skip "no control groups (version 2) to be had here"
	machine_allowed || skip "no namespaces to be had here"
	mkdir "$ROOT"
	mount -t tmpfs -o mode=755 none "$ROOT" || fail "tmpfs"
	mkdir -p "$ROOT"/{usr,etc/systemd/system,etc/batonfs,var/lib,var/log,run,dev/pts,dev/shm,proc,sys,root,old,data/tmp}
	mkdir -m 1777 "$ROOT/tmp"
	mkdir -p "$ROOT/.usr/"{upper,work}
	mount -t overlay -o "lowerdir=/usr,upperdir=$ROOT/.usr/upper,workdir=$ROOT/.usr/work" none "$ROOT/usr" 2>/dev/null ||
		skip "no overlay here"
	for name in bin sbin lib lib32 lib64 libx32; do
		[ ! -L "/$name" ] || cp -a "/$name" "$ROOT/"
	done
	# One at a time: the unit is made in the build folder when it is installed.
	build=$TESTS/../build/$(basename "$BUILD")
	expect env DESTDIR="$ROOT" flock "$build" cmake --install "$TESTS/../build/$(basename "$BUILD")" >/dev/null
	# The build's programs may be built anew meanwhile; these are the runner's copies.
	expect install -m 755 "$BUILD/batonfs" "$BUILD/baton" "$ROOT/usr/bin/"
	for name in null zero full random urandom tty fuse; do
		cp -a "/dev/$name" "$ROOT/dev/" || skip "no /dev/$name here"
	done
	for name in passwd group nsswitch.conf ld.so.cache; do
		cp "/etc/$name" "$ROOT/etc/" || fail "/etc/$name"
	done
	echo 00000000000000000000000000c0ffee >"$ROOT/etc/machine-id"
	echo machine >"$ROOT/etc/hostname"
	: >"$ROOT/etc/fstab"
	ln -s ../proc/self/mounts "$ROOT/etc/mtab"
	ln -s /usr/lib/systemd/system/multi-user.target "$ROOT/etc/systemd/system/default.target"
	for unit in "${machine_masked[@]}"; do
		ln -s /dev/null "$ROOT/etc/systemd/system/$unit"
	done
	# A limit of systemd's own is longer than the tests': what hangs is to be seen, and soon.
	mkdir -p "$ROOT/etc/systemd/"{system,journald}.conf.d
	printf '[Journal]\nReadKMsg=no\n' >"$ROOT/etc/systemd/journald.conf.d/test.conf"
	printf '[Manager]\nDefaultTimeoutStartSec=45s\nDefaultTimeoutStopSec=30s\n' \
		>"$ROOT/etc/systemd/system.conf.d/test.conf"
}

# The rest of the way, as process 1.
machine_enter() {
	cd "$ROOT" && mount --make-rprivate / && mount --rbind . . && cd "$ROOT" &&
		mount -t proc none proc && mount -t sysfs -o ro none sys &&
		mount -t cgroup2 none sys/fs/cgroup && mount -t tmpfs -o mode=755 none run &&
		pivot_root . old && umount -l /old || exit 1
	# The mark is for the runner, which would find it by that if this script were killed.
	exec env -i TEST_OF_BATONFS="$TEST_OF_BATONFS" container=other PATH=/usr/sbin:/usr/bin \
		/usr/lib/systemd/systemd
}

machine_boot() {
	(
		echo 0 >"$machine_group/cgroup.procs" &&
			exec unshare --mount --cgroup --pid --fork --kill-child --uts --ipc --net \
				bash "$0" machine_enter
	) >>"$WORK/console.log" 2>&1 </dev/null &
	machine_init=$!
	wait_until 60 machine_is_up
}

machine_is_up() {
	! gone "$machine_init" || fail "process 1 ended: $(tail -n 5 "$WORK/console.log")"
	machine_pid=$(cat "/proc/$machine_init/task/$machine_init/children" 2>/dev/null)
	machine_pid=${machine_pid% }
	[ "$machine_pid" ] && [ -S "/proc/$machine_pid/root/run/systemd/private" ] || return
	case $(on systemctl is-system-running 2>/dev/null) in
	running | degraded) true ;;
	*) false ;;
	esac
}

machine_reboot() {
	kill -s RTMIN+5 "$machine_pid" || fail "reboot" # as `systemctl reboot` does: see systemd(1)
	wait_until 60 gone "$machine_init"
	machine_boot
}

on() {
	nsenter -t "$machine_pid" -m -p -C -u -i -n -r -w -- "$@"
}

# status_of MOUNTPOINT EXPRESSION: of d, its status.json. Does not wait longer than 20 s for an answer.
status_of() {
	on timeout 20 python3 -c 'import json, sys; d = json.load(open(sys.argv[1] + "/.baton/status.json")); print(eval(sys.argv[2]))' "$1" "$2"
}

# Not by on(): nsenter stops when its child is stopped at shutdown, and never collects it.
hold() {
	expect on systemd-run -q --service-type=exec bash -c 'exec 3>>"$1" && echo >/run/held && exec sleep 1000' hold "$1"
	wait_until 10 on test -e /run/held
	expect on rm /run/held
}

machine_cleanup() {
	local status=$? i

	trap - EXIT
	if [ $status -ne 0 ] && [ $status -ne 77 ] && [ "$machine_pid" ]; then
		timeout 10 nsenter -t "$machine_pid" -m -p -r -- journalctl --no-pager -o short-monotonic | tail -n 100
	fi
	[ ! "$machine_init" ] || kill -9 ${machine_pid:-$machine_init} 2>/dev/null
	wait
	for ((i = 0; i < 50; i++)); do
		find "$machine_group" -depth -type d -exec rmdir {} + 2>/dev/null
		[ -d "$machine_group" ] || break
		sleep 0.02
	done
	exit $status
}

[ "${1-}" != machine_enter ] || machine_enter
trap machine_cleanup EXIT
trap 'exit 1' INT TERM HUP
