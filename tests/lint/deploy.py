#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
What deploy/ and tools/n8n/ say fits together and fits batonfs: the files parse, every option they pass is one that
batonfs takes, every path of this repository that they name is there, propagation and probes are what makes the mount
reach the others, and the workflows name operations and parameters that our node has.

Run by the system's Python, which has Debian's python3-yaml.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

try:
    import yaml
except ImportError:
    print("no python3-yaml here")
    sys.exit(77)

ROOT = Path(__file__).resolve().parent.parent.parent
BATONFS = Path(os.environ["BUILD"]) / "batonfs" if "BUILD" in os.environ else ROOT / "build" / "batonfs"
N8N = ROOT / "tools" / "n8n"

problems = []


def expect(condition, what):
    if not condition:
        problems.append(what)


def check_arguments(arguments, where):
    """SOURCE MOUNTPOINT -o OPTIONS, parsed by batonfs itself: with --help it does nothing else."""
    done = subprocess.run([BATONFS, *arguments, "--help"], text=True, capture_output=True)
    expect(done.returncode == 0, f"{where}: {done.stderr.strip()}")
    expect(len(arguments) >= 2 and arguments[1] == "/data/tmp", f"{where}: mounts {arguments[1:2]}, not /data/tmp")
    expect("x-mount.mkdir" in ",".join(arguments[2:]).split(","), f"{where}: /data is a volume, which may be empty")


def known_variables():
    names = re.findall(r"^#?([A-Z][A-Z0-9_]+)=", (N8N / "n8n.env").read_text(), re.M)
    return set(names) | {"N8N_RUNNERS_MODE", "N8N_RUNNERS_AUTH_TOKEN", "N8N_RUNNERS_TASK_BROKER_URI"}


def check_variables(names, where):
    for name in set(names) - known_variables():
        problems.append(f"{where}: {name} is not explained in tools/n8n/n8n.env")


def check_consumer_mount(mount, where):
    expect(mount.get("mountPath") == "/data" and "subPath" not in mount, f"{where}: the volume is not mounted on /data")
    expect(mount.get("mountPropagation") == "HostToContainer", f"{where}: would not see the mount")


def check_metrics(arguments, ports, where):
    """What serves metrics says so, at the port that it does."""
    found = re.search(r"\bmetrics=\S*:(\d+)", " ".join(arguments))
    expect([int(p) for p in ports] == [int(n) for n in (found.groups() if found else ())], f"{where}: ports {ports}")


def check_daemon(container, where, sidecar):
    check_arguments(container["args"], where)
    check_metrics(container["args"], [p["containerPort"] for p in container.get("ports", []) if p["name"] == "metrics"], where)
    mounts = {m["mountPath"]: m for m in container["volumeMounts"]}
    expect(mounts["/data"].get("mountPropagation") == "Bidirectional", f"{where}: nobody would see the mount")
    expect(container["args"][0] in mounts, f"{where}: the store {container['args'][0]} is no volume")
    expect(container["securityContext"].get("privileged") is True, f"{where}: Bidirectional needs privileged")
    expect(not sidecar or container.get("restartPolicy") == "Always", f"{where}: is no sidecar")
    for probe in ("startupProbe", "livenessProbe"):
        expect(container[probe]["exec"]["command"] == ["baton", "-m", "/data/tmp", "status"], f"{where}: {probe}")
    expect(container["lifecycle"]["preStop"]["exec"]["command"] == ["umount", "/data/tmp"], f"{where}: preStop")
    expect("requests" in container["resources"] and "limits" in container["resources"], f"{where}: resources")


def check_containers(containers, where):
    for container in containers:
        here = f"{where}: {container['name']}"
        check_variables([e["name"] for e in container.get("env", [])], here)
        volumes = [m for m in container["volumeMounts"] if m["name"] == "baton"]
        expect(len(volumes) == 1, f"{here}: has not the volume")
        for mount in volumes:
            check_consumer_mount(mount, here)


def check_pod(spec, where):
    sidecars = spec.get("initContainers", [])
    daemons = [c for c in sidecars + spec["containers"] if c["name"] == "batonfs"]
    expect(len(daemons) == 1, f"{where}: {len(daemons)} containers are called batonfs")
    for container in daemons:
        check_daemon(container, where, container in sidecars)
    check_containers([c for c in spec["containers"] if c["name"] != "batonfs"], where)
    volumes = {v["name"] for v in spec["volumes"]}
    for container in sidecars + spec["containers"]:
        for mount in container["volumeMounts"]:
            expect(mount["name"] in volumes, f"{where}: {container['name']}: no volume {mount['name']}")


def check_values(values, where):
    for container in values["extraInitContainers"]:
        check_daemon(container, where, True)
    check_containers(values["extraContainers"], where)
    check_variables([e["name"] for e in values["config"]["extraEnv"]], where)
    check_consumer_mount(next(m for m in values["extraVolumeMounts"] if m["name"] == "baton"), where)
    expect(values["taskRunners"]["enabled"] is False, f"{where}: the chart's runner would not see the mount")


def check_manifests():
    for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if path.name == "n8n-values.yaml":
                check_values(document, path.name)
            elif document["kind"] in ("Deployment", "DaemonSet"):
                check_pod(document["spec"]["template"]["spec"], path.name)


def check_service(name, service, where):
    mounts = {m["target"]: m for m in service["volumes"] if isinstance(m, dict)}
    wanted = "rshared" if name == "batonfs" else "rslave"
    expect(mounts["/data"]["bind"]["propagation"] == wanted, f"{where}: propagation is not {wanted}")
    check_variables([e.split("=")[0] for e in service.get("environment", [])], where)
    for volume in (v for v in service["volumes"] if isinstance(v, str) and "${BATONFS" in v):
        inside = re.sub(r"^\$\{BATONFS[^}]*\}/", "", volume).split(":")[0]
        expect((ROOT / inside).exists(), f"{where}: {inside} is not in the repository")


def check_compose():
    for path in sorted((ROOT / "deploy/compose").glob("*.yml")):
        services = yaml.safe_load(path.read_text())["services"]
        for name, service in services.items():
            check_service(name, service, f"{path.name}: {name}")
        daemon = services.get("batonfs")
        if daemon:
            check_arguments(daemon["command"], path.name)
            check_metrics(daemon["command"], daemon.get("expose", []), path.name)
            expect(all(n not in services[name].get("networks", []) for n in daemon.get("networks", []) for name in services
                       if name != "batonfs"), f"{path.name}: n8n can read the metrics")
            expect(daemon["healthcheck"]["test"] == ["CMD", "baton", "-m", "/data/tmp", "status"], f"{path.name}: health")
            expect((ROOT / daemon["build"]["dockerfile"]).exists(), f"{path.name}: Dockerfile")
            for name in ("n8n", "n8n-worker"):
                wanted = {"batonfs": {"condition": "service_healthy"}}
                expect(services[name]["depends_on"] == wanted, f"{path.name}: {name} does not wait for the mount")


def check_dockerfile():
    text = (ROOT / "deploy/Dockerfile").read_text()
    check_arguments(json.loads(re.search(r"^CMD (\[.*\])$", text, re.M).group(1)), "Dockerfile")
    for source in re.findall(r"^COPY ([^-. ]\S*) ", text, re.M):
        expect((ROOT / source).exists(), f"Dockerfile: {source} is not there")


def check_workflows():
    node = (N8N / "custom/Baton.node.js").read_text()
    operations = set(re.findall(r"operation\('(\w+)'", node))
    parameters = set(re.findall(r" name: '(\w+)', type:", node))
    for path in sorted((N8N / "workflows").glob("*.json")):
        workflow = json.loads(path.read_text())
        names = {n["name"] for n in workflow["nodes"]}
        targets = {link["node"] for outputs in workflow["connections"].values()
                   for branch in outputs["main"] for link in branch}
        expect(set(workflow["connections"]) | targets <= names, f"{path.name}: a connection leads nowhere")
        for n in (n for n in workflow["nodes"] if n["type"] == "CUSTOM.baton"):
            expect(n["parameters"]["operation"] in operations, f"{path.name}: {n['parameters']['operation']}")
            expect(set(n["parameters"]) <= parameters, f"{path.name}: {n['name']}: {set(n['parameters']) - parameters}")


def check_runners():
    env = (N8N / "n8n.env").read_text()
    launcher = json.loads((N8N / "n8n-task-runners.json").read_text())
    runners = {r["runner-type"]: r["env-overrides"] for r in launcher["task-runners"]}
    expect(set(runners) == {"javascript", "python"}, "n8n-task-runners.json: runners")
    for kind, name in (("javascript", "NODE_FUNCTION_ALLOW_BUILTIN"), ("python", "N8N_RUNNERS_STDLIB_ALLOW"),
                       ("python", "N8N_RUNNERS_BUILTINS_DENY"), ("javascript", "N8N_RUNNERS_TASK_TIMEOUT"),
                       ("python", "N8N_RUNNERS_TASK_TIMEOUT")):
        expect(f"\n{name}={runners[kind][name]}\n" in env, f"{name} differs between n8n.env and n8n-task-runners.json")


for check in (check_manifests, check_compose, check_dockerfile, check_workflows, check_runners):
    check()
print("\n".join(problems))
sys.exit(1 if problems else 0)
