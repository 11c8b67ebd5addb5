// SPDX-License-Identifier: MIT
//
// The sending half of the demonstration, in the place of an n8n broker.
//
//     node send.mjs by-path  FILE BYTES PORT    write FILE, then send its reference
//     node send.mjs by-value FILE BYTES PORT    read FILE, then send its bytes as base64 in JSON
//
// The message is one line of JSON on a loopback TCP connection; the receiver answers with one line when
// it has done. The result is one line of JSON on stdout. Times are nanoseconds of CLOCK_MONOTONIC, which
// all processes of a machine share.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { constants, readFileSync, writeFileSync } from 'node:fs';
import { open, readFile, realpath, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { basename, dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

const CHUNK_BYTES = 64 * 1024;

const [mode, file, bytesArg, port] = process.argv.slice(2);
const size = Number(bytesArg);

// Chunks that differ from each other and are the same in every run.
function* chunks() {
	const noise = Buffer.alloc(CHUNK_BYTES);
	let x = 0x2545f491;

	for (let i = 0; i < CHUNK_BYTES; i += 4) {
		x ^= x << 13;
		x ^= x >>> 17;
		x ^= x << 5;
		noise.writeInt32LE(x, i);
	}
	for (let at = 0; at < size; at += CHUNK_BYTES) {
		const chunk = Buffer.from(noise.subarray(0, Math.min(CHUNK_BYTES, size - at)));

		if (chunk.length >= 8)
			chunk.writeDoubleLE(at, 0);
		yield chunk;
	}
}

function memoryKiB(field) {
	const match = readFileSync('/proc/self/status', 'utf8').match(new RegExp(`^${field}:\\s+(\\d+)`, 'm'));

	return match ? Number(match[1]) : 0;
}

// The idle process is the baseline: forget the peak of its start. Where that is forbidden, it stays in.
function startMeasuring() {
	try {
		writeFileSync('/proc/self/clear_refs', '5');
	} catch {
		// the figure is then too small by what the start needed for a moment
	}
	return memoryKiB('VmHWM');
}

// As n8n's write nodes do it: the directory's real path first, no mkdir, the file through a descriptor
// of the directory, truncated after it is opened, then a stream.
async function writeAsNodeDoes(path) {
	const parent = await realpath(dirname(path));
	await stat(parent);
	const directory = await open(parent, constants.O_RDONLY | constants.O_DIRECTORY);
	const handle = await open(`/proc/self/fd/${directory.fd}/${basename(path)}`,
		constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o666);

	await handle.stat();
	await handle.truncate(0);
	await pipeline(Readable.from(chunks()), handle.createWriteStream());
	await directory.close();
}

async function reference(path) {
	const st = await stat(path);

	return {
		path,
		size: st.size,
		execution: basename(dirname(path)),
		ino: st.ino,
		mtime: st.mtimeMs / 1000,
	};
}

const socket = connect(Number(port), '127.0.0.1');
await once(socket, 'connect');
socket.setNoDelay(true);

const baseline = startMeasuring();
const started = process.hrtime.bigint();
if (mode === 'by-path')
	await writeAsNodeDoes(file);
const ready = process.hrtime.bigint();

const message = mode === 'by-path'
	? await reference(file)
	: { name: basename(file), data: (await readFile(file)).toString('base64') };
socket.write(`${JSON.stringify(message)}\n`);
await once(socket, 'data');
const peak = memoryKiB('VmHWM');
const sent = socket.bytesWritten;
socket.end();

const hash = createHash('sha256'); // last, so that it neither delays the receiver nor is measured
for (const chunk of chunks())
	hash.update(chunk);

console.log(JSON.stringify({
	started_ns: Number(started),
	ready_ns: Number(ready),
	sent_bytes: sent,
	peak_kib: peak - baseline,
	sha256: hash.digest('hex'),
}));
