# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced after mount.sh by the tests that have a filesystem of their own stand still: whoever writes there waits in the
# kernel, and cannot be killed.

# freeze DIRECTORY...: their filesystems, until thaw, or the end of this script, whatever ends it: not by a job of it, which
# would be killed first.
freeze() {
	rm -f "$WORK/thaw" "$WORK/frozen"
	(env -u TEST_OF_BATONFS setsid python3 - $$ "$WORK" "$@" <<'PYTHON' &)
import fcntl, os, sys, time
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
test, work, directories = sys.argv[1], sys.argv[2], sys.argv[3:]
fds = [os.open(directory, os.O_RDONLY) for directory in directories]
try:
    for fd in fds:
        fcntl.ioctl(fd, FIFREEZE, 0)
    open(f"{work}/frozen", "w").close()
    while os.path.exists(f"/proc/{test}") and not os.path.exists(f"{work}/thaw"):
        time.sleep(0.02)
finally:
    for fd in fds:
        fcntl.ioctl(fd, FITHAW, 0)
    if os.path.exists(f"{work}/frozen"):
        os.unlink(f"{work}/frozen")
PYTHON
	wait_until 20 test -e "$WORK/frozen"
}

thaw() {
	local status=$?

	touch "$WORK/thaw"
	return $status
}
