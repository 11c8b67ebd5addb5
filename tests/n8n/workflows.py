# SPDX-License-Identifier: MIT
"""The workflows that tools/test-n8n gives to n8n: a webhook, and nodes in a row after it."""

BASE = "n8n-nodes-base."


def row(name, *nodes, respond="lastNode"):
    """nodes: (name, type, version, parameters), each getting what the one before it gives."""
    hook = ("Webhook", BASE + "webhook", 2, {"path": name, "httpMethod": "GET", "responseMode": respond, "options": {}})
    nodes = (hook, *nodes)
    return {
        "name": name, "active": False, "settings": {"executionOrder": "v1"},
        "nodes": [{"id": f"{name}-{i}", "name": n, "type": kind, "typeVersion": version, "position": [200 * i, 0],
                   "parameters": parameters} | ({"webhookId": name} if i == 0 else {})
                  for i, (n, kind, version, parameters) in enumerate(nodes)],
        "connections": {a[0]: {"main": [[{"node": b[0], "type": "main", "index": 0}]]}
                        for a, b in zip(nodes, nodes[1:])},
    }


def read(path, legacy=False, name="Read"):
    if legacy:
        return (name, BASE + "readBinaryFile", 1, {"filePath": path})
    return (name, BASE + "readWriteFile", 1.1, {"operation": "read", "fileSelector": path, "options": {}})


def write(path, legacy=False, name="Write"):
    if legacy:
        return (name, BASE + "writeBinaryFile", 1, {"fileName": path})
    return (name, BASE + "readWriteFile", 1.1, {"operation": "write", "fileName": path, "options": {}})


def code(javascript, name="Code"):
    return (name, BASE + "code", 2, {"mode": "runOnceForAllItems", "language": "javaScript", "jsCode": javascript})


def command(line, name="Command"):
    return (name, BASE + "executeCommand", 1, {"command": line})


def baton(parameters, name):
    return (name, "CUSTOM.baton", 1, parameters)


def query(field):
    return f"$('Webhook').first().json.query.{field}"


HASH = """
const fs = require('fs'), crypto = require('crypto');
const hash = crypto.createHash('sha256'), piece = Buffer.alloc(1 << 20);
const fd = fs.openSync(path, 'r');
for (let n; (n = fs.readSync(fd, piece, 0, piece.length, null)) > 0;) hash.update(piece.subarray(0, n));
const size = fs.fstatSync(fd).size;
fs.closeSync(fd);
"""


def in_execution(mount, form):
    """The expression of a path in the running execution's directory, or in the flat form."""
    return "={{ '%s/' + $execution.id + '%s' }}" % (mount, {"directory": "/input.bin", "flat": "_input.bin"}[form])


def hand_off(name, mount, form, legacy):
    """Seed file to n8n's binary data to the execution's file, whose bytes a shell and the runner then read."""
    path = in_execution(mount, form)
    return row(name, read("={{ %s }}" % query("seed"), legacy), write(path, legacy),
               command("=sha256sum " + path[1:]),
               code(f"const path = {path[4:-3]};" + HASH +
                    "return [{json: {execution: $execution.id, path, size, sha256: hash.digest('hex'),"
                    " shell: $('Command').first().json.stdout.split(' ')[0]}}];"))


def sleep_then_read(name, mount):
    """Writes, waits for a second webhook, reads. The address to call is left in a file beside."""
    path = in_execution(mount, "directory")[4:-3]
    return row(name,
               code(f"require('fs').writeFileSync({path}, 'kept'); return [{{json: {{}}}}];", "Before"),
               ("Resume", BASE + "set", 3.4, {"mode": "raw", "jsonOutput": '={{ {"url": $execution.resumeUrl} }}',
                                              "options": {}}),
               code(f"require('fs').writeFileSync('{mount}/' + $execution.id + '/url', $json.url); return [{{json: {{}}}}];",
                    "Url"),
               ("Wait", BASE + "wait", 1.1, {"resume": "webhook", "httpMethod": "GET", "responseMode": "lastNode",
                                             "options": {}}),
               code(f"return [{{json: {{execution: $execution.id, text: require('fs').readFileSync({path}, 'utf8')}}}}];",
                    "After"),
               respond="onReceived")


def workers_change(name, mount):
    """
    Takes the seed into n8n's binary data and writes a file; sleeps, so that another worker may go on; writes the
    binary data out and hashes both. The worker's process is the parent of a command's shell.
    """
    first, second = f"'{mount}/' + $execution.id + '/first'", f"'{mount}/' + $execution.id + '/second'"
    return row(name, read("={{ %s }}" % query("seed")), write("={{ %s }}" % first, name="Write"),
               code(f"const fs = require('fs'); fs.writeFileSync('{mount}/' + $execution.id + '/url', $execution.resumeUrl);"
                    "return $input.all();", "Url"),
               command(f"=echo $PPID > {mount}/{{{{ $execution.id }}}}/worker", "Before"),
               ("Wait", BASE + "wait", 1.1, {"resume": "webhook", "httpMethod": "GET", "responseMode": "lastNode",
                                             "options": {}}),
               command("echo $PPID", "After"),
               code("const item = $('Write').first(); return [{json: {}, binary: item.binary}];", "Binary"),
               write("={{ %s }}" % second, name="Write again"),
               code("const hashes = {}; const crypto = require('crypto'), fs = require('fs');"
                    f"for (const path of [{first}, {second}])"
                    " hashes[path.split('/').pop()] = crypto.createHash('sha256').update(fs.readFileSync(path)).digest('hex');"
                    "return [{json: {execution: $execution.id, ...hashes, after: $('After').first().json.stdout,"
                    " before: fs.readFileSync('%s/' + $execution.id + '/worker', 'utf8')}}];" % mount),
               respond="onReceived")


def write_and_hang(name, mount):
    path = in_execution(mount, "directory")[4:-3]
    return row(name, code(f"require('fs').writeFileSync({path}, 'lost');"
                          "await new Promise((r) => setTimeout(r, 200000)); return [];"), respond="onReceived")


def fail(name, mount):
    path = in_execution(mount, "directory")[4:-3]
    return row(name, code(f"require('fs').writeFileSync({path}, 'x'); throw new Error($execution.id);"), respond="onReceived")


def permissions(name, mount):
    """The broker writes; what may the runner, another user, do with it?"""
    path = in_execution(mount, "directory")
    return row(name, read("={{ %s }}" % query("seed")), write(path), code(
        f"const fs = require('fs'), path = {path[4:-3]};"
        "const can = (f) => { try { f(); return 'yes' } catch (e) { return e.code } };"
        "return [{json: {execution: $execution.id,"
        " read: can(() => fs.readFileSync(path)), map: can(() => fs.accessSync(path, 4)),"
        " beside: can(() => fs.writeFileSync(path + '.out', 'x')),"
        " rewrite: can(() => fs.writeFileSync(path, 'y')), unlink: can(() => fs.unlinkSync(path))}}];"))


def by_node(name):
    """Our own node, there and back: the seed handed off, loaded, written out again and hashed."""
    return row(name, read("={{ %s }}" % query("seed")),
               baton({"operation": "handOff", "execution": "={{ $execution.id }}", "binaryProperty": "data",
                      "fileName": "in.bin"}, "Hand Off"),
               baton({"operation": "load", "reference": "={{ $json }}", "binaryProperty": "data"}, "Load"),
               code("const path = $('Hand Off').first().json.path;" + HASH +
                    "return [{json: {execution: $execution.id, ref: $('Hand Off').first().json, loaded: $json,"
                    " binary: $input.first().binary.data.fileSize, sha256: hash.digest('hex')}}];"))


COUNT = """
let lines = 0;
const count = (b) => { for (let i = b.indexOf(10); i >= 0; i = b.indexOf(10, i + 1)) lines++; };
"""


def by_value(name):
    return row(name, read("={{ %s }}" % query("seed")),
               code(COUNT + "count(await this.helpers.getBinaryDataBuffer(0, 'data'));"
                    "return [{json: {execution: $execution.id, lines}}];", "Step"))


def by_reference(name, mount):
    path = in_execution(mount, "directory")
    return row(name, read("={{ %s }}" % query("seed")), write(path),
               code("const fs = require('fs'), piece = Buffer.alloc(1 << 20);" + COUNT +
                    f"const fd = fs.openSync({path[4:-3]}, 'r');"
                    "for (let n; (n = fs.readSync(fd, piece, 0, piece.length, null)) > 0;) count(piece.subarray(0, n));"
                    "fs.closeSync(fd); return [{json: {execution: $execution.id, lines}}];", "Step"))
