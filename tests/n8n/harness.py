# SPDX-License-Identifier: MIT
"""
A real n8n, its runners and a batonfs, started and stopped for tools/test-n8n, and talked to over n8n's own REST API.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
N8N_TOOLS = ROOT / "tools" / "n8n"
BROKER_UID, DISTROLESS_UID = 1000, 65532  # of n8n's images, and of its distroless runner image
PORT = 15678
OWNER = {"email": "owner@example.com", "firstName": "O", "lastName": "O", "password": "Password-4711"}


class Failure(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failure(what)


def wait_until(seconds, what, condition):
    """The first true value of condition(), asked every 10 ms."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        expect(time.monotonic() < end, f"not within {seconds} s: {what}")
        time.sleep(0.01)


def as_user(uid):
    return ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--no-new-privs"]


class Process:
    """A child that is gone when the test is."""

    def __init__(self, name, command, env, log, uid=0):
        self.name, self.log = name, log
        user = as_user(uid) if uid else []
        with open(log, "ab") as out:
            self.process = subprocess.Popen([*user, *command], env=env, cwd="/", stdin=subprocess.DEVNULL, stdout=out,
                                            stderr=subprocess.STDOUT)
        self.pid = self.process.pid

    def alive(self):
        return self.process.poll() is None

    def stop(self, how=signal.SIGTERM, seconds=40):
        if self.alive():
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def memory(self):
        """Most resident bytes since forget_peak()."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0

    def forget_peak(self):
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def text(self):
        return Path(self.log).read_text(errors="replace")

    def tail(self):
        return "\n".join(self.text().splitlines()[-15:])


class Mount:
    def __init__(self, place, source, options, log):
        self.place, self.baton_program = place, ROOT / "build" / "baton"
        place.mkdir(parents=True)
        done = subprocess.run([ROOT / "build" / "batonfs", source, place, "-o", options], stdin=subprocess.DEVNULL,
                              stdout=open(log, "ab"), stderr=subprocess.STDOUT)
        expect(done.returncode == 0, f"batonfs does not mount: {Path(log).read_text()}")

    def __truediv__(self, name):
        return self.place / name

    def status(self):
        return json.loads((self.place / ".baton/status.json").read_text())

    def executions(self):
        return {e["execution"]: e for e in json.loads((self.place / ".baton/executions.json").read_text())["executions"]
                if e["lifetime"] == "ttl"}

    def why(self, execution):
        return json.loads((self.place / ".baton/why" / execution).read_text())

    def baton(self, *arguments):
        return subprocess.run([self.baton_program, "-m", self.place, *arguments], text=True, capture_output=True,
                              check=True).stdout.strip()

    def unmount(self):
        subprocess.run(["umount", self.place], check=True)


def runner_settings(kind):
    """What n8n's launcher gives a runner, from the file that we ship for it."""
    launcher = json.loads((N8N_TOOLS / "n8n-task-runners.json").read_text())
    return next(r["env-overrides"] for r in launcher["task-runners"] if r["runner-type"] == kind)


class N8n:
    """n8n in external runner mode, with a JavaScript runner. `cache` has node and n8n; see tools/test-n8n."""

    def __init__(self, work, cache, mounts):
        self.work, self.cache, self.mounts = work, cache, mounts
        self.node = str(cache / "node/node_modules/node/bin/node")
        self.modules = cache / "n8n/node_modules"
        self.home = work / "home"
        self.cookie = None
        self.main = self.runner = None
        self.home.mkdir()
        os.chown(self.home, BROKER_UID, BROKER_UID)

    def environment(self):
        paths = [str(m.place) for m in self.mounts]
        env = {"PATH": f"{Path(self.node).parent}:/usr/bin:/bin", "HOME": str(self.home), "LC_ALL": "C.UTF-8"}
        return env | {
            "N8N_USER_FOLDER": str(self.home), "N8N_PORT": str(PORT), "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_RUNNERS_MODE": "external", "N8N_RUNNERS_AUTH_TOKEN": "secret", "N8N_RUNNERS_BROKER_PORT": str(PORT + 1),
            "N8N_SECURE_COOKIE": "false", "N8N_DIAGNOSTICS_ENABLED": "false", "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
            "N8N_TEMPLATES_ENABLED": "false", "N8N_PERSONALIZATION_ENABLED": "false", "NODES_EXCLUDE": "[]",
            "N8N_RUNNERS_TASK_TIMEOUT": "300",
            # What tools/n8n/n8n.env is about.
            "N8N_RESTRICT_FILE_ACCESS_TO": ";".join(paths), "BATON_MOUNT": ":".join(paths),
            "EXTERNAL_HOOK_FILES": str(N8N_TOOLS / "hooks.js"), "N8N_CUSTOM_EXTENSIONS": str(N8N_TOOLS / "custom"),
            "N8N_STORAGE_PATH": f"{paths[0]}/n8n", "N8N_DEFAULT_BINARY_DATA_MODE": "filesystem",
        }

    def start_main(self):
        self.main = Process("n8n", [self.node, str(self.modules / "n8n/bin/n8n"), "start"], self.environment(),
                            self.work / "n8n.log", BROKER_UID)
        wait_until(240, "n8n is ready", self.is_ready)

    def is_ready(self):
        expect(self.main.alive(), f"n8n has ended:\n{self.main.tail()}")
        try:
            return self.request("GET", "/healthz/readiness", timeout=2)[0] == 200
        except OSError:
            return False

    def start_runner(self, uid=BROKER_UID):
        self.runner = self.runner_of(PORT + 1, "runner", uid)

    def runner_of(self, broker_port, name, uid=BROKER_UID):
        """As n8n's launcher does: a grant for the token, then the runner. Both images have user 1000."""
        connection = http.client.HTTPConnection("127.0.0.1", broker_port, timeout=10)
        connection.request("POST", "/runners/auth", json.dumps({"token": "secret"}),
                           {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        env = {"PATH": self.environment()["PATH"], "HOME": "/", "N8N_RUNNERS_GRANT_TOKEN": answer["data"]["token"],
               "N8N_RUNNERS_TASK_BROKER_URI": f"http://127.0.0.1:{broker_port}", "N8N_RUNNERS_MAX_CONCURRENCY": "20"}
        return Process(name, [self.node, "--disallow-code-generation-from-strings", "--disable-proto=delete",
                              str(self.modules / "@n8n/task-runner/dist/start.js")],
                       env | runner_settings("javascript"), self.work / f"{name}.log", uid)

    def others(self):
        return []

    def start(self):
        self.start_main()
        self.start_runner()

    def stop(self):
        for process in (*self.others(), self.runner, self.main):
            if process:
                # A runner waits half a minute for tasks that may come; it keeps nothing.
                process.stop(signal.SIGKILL if process.name.startswith("runner") else signal.SIGTERM)

    # ---- REST ----

    def request(self, method, path, body=None, timeout=300):
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=timeout)
        headers = {"Content-Type": "application/json"} | ({"Cookie": self.cookie} if self.cookie else {})
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        if response.getheader("Set-Cookie") and path.startswith("/rest/"):
            self.cookie = response.getheader("Set-Cookie").split(";")[0]
        return response.status, text

    def rest(self, method, path, body=None):
        status, text = self.request(method, "/rest" + path, body)
        expect(status in (200, 201), f"{method} {path}: {status} {text[:500]!r}")
        return json.loads(text).get("data") if text else None

    def sign_in(self):
        self.rest("POST", "/owner/setup", OWNER)

    def add(self, workflow):
        """Make a workflow and publish it; its ID."""
        made = self.rest("POST", "/workflows", workflow)
        self.rest("POST", f"/workflows/{made['id']}/activate", {"versionId": made["versionId"]})
        return made["id"]

    def call(self, hook, **query):
        """The webhook of a workflow: what its last node says."""
        where = f"/webhook/{hook}?{urllib.parse.urlencode(query)}"
        status, text = self.request("GET", where)
        end = time.monotonic() + 20
        while status == 404 and b"is not registered" in text and time.monotonic() < end:
            time.sleep(0.1)  # n8n publishes a workflow behind its answer
            status, text = self.request("GET", where)
        expect(status == 200, f"webhook {hook}: {status} {text[:500]!r}")
        answer = json.loads(text)
        return answer[0] if isinstance(answer, list) else answer

    def execution(self, execution):
        return self.rest("GET", f"/executions/{execution}")

    def status_of(self, execution):
        return self.execution(execution)["status"]

    def runs(self, execution):
        """Node name: its first run, out of n8n's flattened JSON."""
        flat = json.loads(self.execution(execution)["data"])

        def thaw(value):
            if isinstance(value, dict):
                return {k: thaw(flat[int(v)]) if isinstance(v, str) else v for k, v in value.items()}
            if isinstance(value, list):
                return [thaw(flat[int(v)]) if isinstance(v, str) else v for v in value]
            return value

        result = flat[int(flat[0]["resultData"])]
        return {name: thaw(flat[int(runs)])[0] for name, runs in flat[int(result["runData"])].items()}


class QueuedN8n(N8n):
    """n8n in queue mode: PostgreSQL, Redis, a main process and two workers with a runner each, on one host."""

    def __init__(self, work, cache, mounts):
        super().__init__(work, cache, mounts)
        self.workers, self.runners, self.services = [], [], []

    def environment(self):
        return super().environment() | {
            "EXECUTIONS_MODE": "queue", "N8N_ENCRYPTION_KEY": "the same for all", "OFFLOAD_MANUAL_EXECUTIONS_TO_WORKERS": "true",
            "QUEUE_BULL_REDIS_HOST": "127.0.0.1", "QUEUE_BULL_REDIS_PORT": str(PORT + 10),
            "DB_TYPE": "postgresdb", "DB_POSTGRESDB_HOST": "127.0.0.1", "DB_POSTGRESDB_PORT": str(PORT + 11),
            "DB_POSTGRESDB_USER": "postgres", "DB_POSTGRESDB_DATABASE": "postgres",
        }

    def start_services(self):
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
        folder = self.work / "postgres"
        folder.mkdir()
        shutil.chown(folder, "postgres")
        uid = folder.stat().st_uid
        subprocess.run([*as_user(uid), programs / "initdb", "-A", "trust", "-U", "postgres", "-D", folder / "data"],
                       cwd="/", check=True, stdout=subprocess.DEVNULL)
        env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        self.services = [
            Process("postgres", [programs / "postgres", "-D", folder / "data", "-h", "127.0.0.1", "-p", str(PORT + 11),
                                 "-k", folder, "-c", "fsync=off"], env, self.work / "postgres.log", uid),
            Process("redis", ["redis-server", "--port", str(PORT + 10), "--bind", "127.0.0.1", "--save", ""], env,
                    self.work / "redis.log", BROKER_UID)]
        wait_until(30, "PostgreSQL answers", lambda: subprocess.run(
            [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(PORT + 11)]).returncode == 0)

    def start(self):
        self.start_services()
        self.start_main()
        for i in (1, 2):
            env = self.environment() | {"N8N_RUNNERS_BROKER_PORT": str(PORT + 1 + i)}
            self.workers.append(Process(f"worker{i}", [self.node, str(self.modules / "n8n/bin/n8n"), "worker"], env,
                                        self.work / f"worker{i}.log", BROKER_UID))
        for i, worker in enumerate(self.workers, 1):
            wait_until(240, f"{worker.name} is ready", lambda: "worker is now ready" in worker.text())
            self.runners.append(self.runner_of(PORT + 1 + i, f"runner{i}"))

    def others(self):
        return [*self.runners, *self.workers]

    def stop(self):
        super().stop()
        for service in reversed(self.services):
            service.stop(signal.SIGINT)
