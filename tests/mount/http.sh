#!/bin/bash
# SPDX-License-Identifier: MIT
# variants: memory-on
# builds: ci asan
#
# metrics=ADDRESS:PORT: what is served over HTTP is what .baton says, by a process that is nobody and sees nothing else;
# health fails while the mount does not answer; nothing but GET and HEAD, for nobody who was led here; connections that
# say nothing, or slowly, end no service. The mount is never busy for it, and it ends with the mount, however.
. "$TESTS/lib/mount.sh"

# The address of the daemon that was started last.
address() {
	sed -n 's/.*metrics address=//p' "$WORK/daemon.log" | tail -n 1
}

# starts_not STATUS WANTED OPTIONS [COMMAND...]
starts_not() {
	local wanted_status=$1 wanted=$2 options=$3 said status
	shift 3

	said=$("$@" "$BATONFS" "$STORE" "$MNT" -o "$options" 2>&1 </dev/null)
	status=$?
	expect_eq "$wanted_status" $status "exit status with $options: $said"
	expect_match "$wanted" "$said" "$options"
	expect_eq 1 "$(wc -l <<<"$said")" "lines of: $said"
}

# server: process id
server() {
	pgrep -P "$(daemon_pid)" -x batonfs-http
}

# status FIELD: of the server
status() {
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$(server)/status" | tr '\t' ' '
}

# health STATUS [TEXT]
health() {
	expect_eq "${2-$(</dev/stdin)}$1" "$(python3 -c 'import http.client as h, sys
c = h.HTTPConnection(sys.argv[1], timeout=30)
c.request("GET", "/healthz")
r = c.getresponse()
print(r.read().decode() + str(r.status))' "$where" 2>&1)" "healthz"
}
is_healthy() {
	(health 200 $'ok\n') >/dev/null
}

# ---- what cannot be ----

starts_not 2 "^batonfs: option 'metrics=9464' is not of the form; it is: ADDRESS:PORT" metrics=9464
starts_not 2 "metrics=localhost:1" metrics=localhost:1
starts_not 2 "option metrics=192.0.2.1:0 \(command line\): this machine has no such address" metrics=192.0.2.1:0
echo "metrics = 192.0.2.1:0" >"$WORK/conf"
starts_not 2 "option metrics=192.0.2.1:0 \(file $WORK/conf:1\)" log=error env BATONFS_CONFIG="$WORK/conf"
if [ "$(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" -gt 81 ]; then
	starts_not 2 "metrics=127.0.0.1:81 .*: no right to a port below 1024" metrics=127.0.0.1:81 \
		setpriv --inh-caps -net_bind_service --bounding-set -net_bind_service
fi

# Its library is loaded by who serves, and by nobody else.
library=$(/sbin/ldconfig -p | sed -n 's/.*libmicrohttpd\.so\.[0-9]* .*=> //p' | head -n 1)
[ -f "$library" ] || fail "no libmicrohttpd"
without_library() {
	unshare -m --propagation private sh -c 'mount --bind /dev/null "$1" && shift && exec "$@"' - "$library" "$@"
}
starts_not 1 "option metrics=127.0.0.1:0 \(command line\): cannot be served: .*libmicrohttpd.*; metrics=off goes without" \
	metrics=127.0.0.1:0 without_library
expect_eq "batonfs" "$(without_library "$BATONFS" --version | cut -d ' ' -f 1)" "without a library that it does not need"

# ---- what is served ----

mount_batonfs -o metrics=127.0.0.1:0
where=$(address)
starts_not 1 "option metrics=$where .*: somebody listens there already" "metrics=$where"
expect_eq "65534 65534 65534 65534" "$(status Uid)" "user"
expect_eq "0000000000000000 0000000000000000" "$(status CapPrm) $(status CapBnd)" "capabilities"
[ "$SANITIZER" ] || expect_eq 2 "$(status Seccomp)" "filter"
echo secret >"$MNT/4711_file"
expect_eq "$(ls "$MNT/.baton" | xargs)" "$(ls "/proc/$(server)/root/" | xargs)" "what it sees"
expect grep -q libmicrohttpd "/proc/$(server)/maps"
expect_eq "" "$(grep -h libmicrohttpd "/proc/$(daemon_pid)/maps" "/proc/$(worker_pid)/maps")" "the daemon's libraries"
expect_eq "" "$(readlink "/proc/$(server)/fd/"* | grep -v -e ^socket: -e ^/dev/null -e /mountinfo -e ^anon_inode: -e "daemon.log")" "descriptors"

cat >"$WORK/look.py" <<'PYTHON'
import http.client, json, os, re, socket, sys, threading, time
from pathlib import Path
import promtext

mnt, where, page_file = sys.argv[1:]
host, _, port = where.rpartition(":")
host = host.strip("[]")


def ask(path, method="GET", body=None, **headers):
    c = http.client.HTTPConnection(host, int(port), timeout=30)
    c.request(method, path, body, headers)
    r = c.getresponse()
    return r.status, r.headers, r.read().decode()


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"FAIL: {what}: expected {wanted!r}, got {got!r}")


def connect():
    return socket.create_connection((host, int(port)), timeout=60)


def drip(s):
    """Never silent for long, and never done."""
    try:
        s.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        while True:
            s.sendall(b"x")
            time.sleep(0.5)
    except OSError:
        pass


dripping = None
if not os.environ["SANITIZER"]:
    dripping = threading.Thread(target=drip, args=[connect()], daemon=True)
    dripping.start()

# ---- the same as in .baton ----
status, headers, text = ask("/metrics")
expect("status", status, 200)
expect("type", headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
over_http = promtext.parse(text)
samples = lambda families: {sample for f in families.values() for sample in f.samples if not f.name.endswith("_errors_total")}
there = promtext.parse(Path(mnt, ".baton/metrics").read_text())
expect("samples that one has only", samples(over_http) ^ samples(there), set())
Path(os.environ["WORK"], "metrics").write_text(text)

# What clients can choose: a name (few characters make one), and what the process is called that has made it.
names = ["<b>&amp;", '"><i>', "\x1b[31m", "a'b"]
for i, name in enumerate(names):
    Path("/proc/self/comm").write_text(name)
    Path(mnt, f"472{i}", "file").write_text("x" * 1000)
    try:
        os.mkdir(f"{mnt}/{name}")
    except OSError:
        pass
for path in ("/status.json", "/executions.json"):
    status, headers, text = ask(path)
    expect(f"type of {path}", (status, headers["Content-Type"], headers["X-Content-Type-Options"]), (200, "application/json", "nosniff"))
    expect(path, json.loads(text).keys(), json.loads(Path(mnt, ".baton", path[1:]).read_text()).keys())
executions = {e["execution"]: e for e in json.loads(text)["executions"]}
expect("names", [executions[f"472{i}"]["owner"]["comm"] for i in range(len(names))], names)
expect("health", ask("/healthz")[::2], (200, "ok\n"))

# ---- the page ----
status, headers, page = ask("/")
expect("type", headers["Content-Type"], "text/html; charset=utf-8")
policy = headers["Content-Security-Policy"]
nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)[1]
expect("page", page, Path(page_file).read_text().replace("@NONCE@", nonce))
expect("nonces", page.count(f'nonce="{nonce}"'), 2)
expect("policy", [w for w in ("default-src 'none'", "frame-ancestors 'none'", f"style-src 'nonce-{nonce}'") if w not in policy], [])
expect("what is not safe", re.findall(r"unsafe|\*|https?:", policy), [])
expect("a nonce twice", nonce in ask("/")[2], False)
expect("other hosts", re.findall(r"https?:|\bsrc=|@import|url\(|innerHTML", page), [])
known = set(over_http) | {"batonfs_request_errors_total"}
for name in set(re.findall(r"\b(?:batonfs|process)_\w+", page)):
    if re.sub(r"_(count|sum|bucket)$", "", name) not in known:
        sys.exit(f"FAIL: the page wants {name}, which is no metric")

# ---- what is refused ----
expect("nothing", ask("/none")[0], 404)
for path in ("/../metrics", "//metrics", "/config", "/executions/4711/release", "/%2e%2e/metrics"):
    expect(path, ask(path)[0], 404)
for path in ("/", "/metrics", "/healthz", "/status.json", "/executions.json"):
    status, headers, text = ask(path, "HEAD")
    expect(f"HEAD {path}", (status, text), (200, ""))
for method in ("POST", "PUT", "DELETE", "OPTIONS", "CONNECT"):
    status, headers, text = ask("/metrics", method, "x" * 100000 if method == "POST" else None)
    expect(method, (status, headers["Allow"], headers["Access-Control-Allow-Origin"]), (405, "GET, HEAD", None))
for name, wanted in (("example.org", 421), ("localhost.example.org:80", 421), ("10.0.0.1", 421), ("localhost", 200), (where, 200), ("[::1]:1", 200)):
    expect(f"host {name}", ask("/metrics", Host=name)[0], wanted)

# ---- who says nothing, half of something, or too much ----
idle = [connect() for _ in range(100)]
for s in idle[::2]:
    s.send(b"GET /metrics HTTP/1.1\r\nX: ")
expect("beside idle connections", ask("/healthz")[0], 200)
for s in idle:
    s.close()
for garbage in (b"\0" * 4096, b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100, b"GET /metrics HTTP/1.1\r\n\r\n",
                b"X" * 200000, b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01"):
    with connect() as s:
        try:
            s.sendall(garbage)
            s.shutdown(socket.SHUT_WR)
            while s.recv(4096):
                pass
        except OSError:
            pass
expect("after garbage", ask("/healthz")[0], 200)
done = []
def scrape():
    done.append(ask("/metrics")[0])
threads = [threading.Thread(target=scrape) for _ in range(20)]
for t in threads: t.start()
for t in threads: t.join()
expect("at the same time", done, [200] * 20)
if dripping:
    dripping.join(60)
    expect("still dripping", dripping.is_alive(), False)
PYTHON
export PYTHONPATH=$TESTS/lib PYTHONDONTWRITEBYTECODE=1
expect python3 "$WORK/look.py" "$MNT" "$where" "$TESTS/../src/http/status.html"
if command -v promtool >/dev/null; then
	expect_eq "" "$(promtool check metrics <"$WORK/metrics" 2>&1)" "promtool"
fi

# ---- a mount that does not answer ----

stop_batonfs
health 503 $'the mount does not answer\n'
health 503 $'the mount does not answer\n'
continue_batonfs
wait_until 10 is_healthy

# ---- the end: not busy, whatever is asked; the address is free again ----

python3 -c 'import sys, urllib.request as u
try:
    while True: u.urlopen("http://" + sys.argv[1] + "/executions.json", timeout=30).read()
except OSError: pass' "$where" &
asking=$!
wait_until 10 is_healthy
pid=$(server)
wait_until 10 fusermount3 -u "$MNT"
wait_until 10 gone "$pid"
wait_until 10 gone "$(daemon_pid)"
wait "$asking"

mount_batonfs -o "metrics=$where"
health 200 $'ok\n'
pid=$(server)
kill_batonfs
wait_until 10 gone "$pid"

# The mount does not need it.
mount_batonfs -f -o "metrics=$where"
health 200 $'ok\n'
kill -9 "$(server)"
expect ls "$MNT/.baton"
kill "$(daemon_pid)"
wait "$(daemon_pid)"
expect_eq 0 $? "exit status"

# With a guardian it outlives the worker.
if [ "$SANITIZER" != tsan ]; then
	mount_batonfs -o "metrics=$where,takeover=on"
	kill -9 "$(sed -n 's/.*"worker": *\([0-9]*\).*/\1/p' "$MNT/.baton/status.json")"
	wait_until 20 is_healthy
	pid=$(server)
	[ "$pid" ] || fail "no server"
	expect_match '"takeovers": *1' "$(python3 -c 'import sys, urllib.request as u; print(u.urlopen("http://" + sys.argv[1] + "/status.json").read().decode())' "$where")"
	unmount_batonfs
	wait_until 10 gone "$pid"
fi

if [ "$(cat /proc/sys/net/ipv6/conf/lo/disable_ipv6 2>/dev/null)" = 0 ]; then
	mount_batonfs -o 'metrics=[::1]:0'
	where=$(address)
	expect_match '^\[::1\]:[0-9]+$' "$where"
	health 200 $'ok\n'
	unmount_batonfs
fi
