#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci
#
# metrics=: while the daemon is killed and upgraded again and again, every scrape is answered, by the same server at the same
# address; counters go on, or begin at 0 with the new process; those of takeovers go on, and an upgrade is no death.
. "$TESTS/lib/mount.sh"
. "$TESTS/lib/exec.sh"

mount_batonfs -o takeover=on,metrics=127.0.0.1:0
for i in $(seq 50); do
	mkdir -p "$MNT/$i" && echo x >"$MNT/$i/f"
done
PYTHONPATH=$TESTS/lib expect python3 - "$(sed -n 's/.*metrics address=//p' "$WORK/daemon.log")" "$MNT" "$BATON" <<'PYTHON'
import http.client, json, os, signal, subprocess, sys, threading
import promtext

where, mnt, baton = sys.argv[1:]
KEEP = ("batonfs_takeovers_total", "batonfs_takeovers_hung_total", "batonfs_takeover_seconds_total")
failed, wanted, scrapes = [], threading.Event(), 0


def scrape():
    c = http.client.HTTPConnection(where, timeout=60)
    c.request("GET", "/metrics")
    r = c.getresponse()
    text = r.read().decode()
    if r.status != 200:
        raise OSError(f"{r.status} {text}")
    return {s: v for f in promtext.parse(text).values() if f.type != "gauge" for s, v in f.samples.items()}


def scraping():
    global scrapes
    last = {}
    while not wanted.is_set() and not failed:
        try:
            now = scrape()
            scrapes += 1
            failed.extend(f"{s} went back from {v} to {now.get(s)}" for s, v in last.items() if s[0] in KEEP and not now.get(s, -1) >= v)
            last = now
        except OSError as e:
            failed.append(f"not answered: {e!r}")


def status():
    with open(f"{mnt}/.baton/status.json") as f:
        return json.load(f)


def expect_rising(what):
    """Of one process: nothing goes back."""
    before, after = scrape(), scrape()
    failed.extend(f"{what}: {s} went back from {v} to {after.get(s)}" for s, v in before.items() if not after.get(s, -1) >= v)


def expect_anew(what, before):
    """Of another one: what had counted much goes on, or has begun again; it is not somewhere between."""
    s = ("batonfs_ledger_events_total", ())
    now = scrape()[s]
    if before[s] / 2 < now < before[s]:
        failed.append(f"{what}: {s} went back from {before[s]} to {now}")


thread = threading.Thread(target=scraping)
thread.start()
for i in range(3):
    before = scrape()
    os.kill(status()["worker"], signal.SIGKILL)
    expect_anew("kill", before)
    expect_rising("kill")
    subprocess.run([baton, "-m", mnt, "upgrade"], check=True, stdout=subprocess.DEVNULL, timeout=60)
    expect_rising("upgrade")
wanted.set()
thread.join()
said = status()
if failed:
    sys.exit("\n".join(failed[:10]))
if (said["takeovers"], said["upgrades"], scrape()[("batonfs_takeovers_total", ())]) != (3, 3, 3):
    sys.exit(f"three kills, three upgrades: {said['takeovers']}, {said['upgrades']}")
print(f"{scrapes} scrapes")
PYTHON
