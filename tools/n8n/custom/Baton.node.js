// SPDX-License-Identifier: MIT
/*
 * A node for n8n: hand over files by reference, with batonfs. One file, no dependencies: put it into ~/.n8n/custom,
 * or name its folder in N8N_CUSTOM_EXTENSIONS. Workflows know it as CUSTOM.baton.
 *
 *     Hand Off        a binary property becomes a file of the execution; its reference goes on as JSON
 *     Load            a reference becomes a binary property again, if the file's content is what the reference says
 *     Release         give an execution up now
 *     Pin             keep it beyond its end (hooks.js leaves alone what is pinned so) and beyond its time-to-live
 *     Lock, Unlock    at most one holder of a name at a time, for so long at most
 *
 * A reference is what `baton ref` prints: {"path","size","execution","ino","mtime","xxh3"}.
 *
 * BATON_MOUNT is the mountpoint (default /data/tmp; if it names several, the first is written to). A reference comes
 * from somebody else's JSON, so nothing outside of it is read or written, nor is n8n's own data in /data/tmp/n8n.
 *
 * A lock is a file made with O_EXCL in an execution of its own, `lock-NAME`, whose time-to-live is the lock's; so all who
 * take a lock must be one user. It is unlocked with the file open, because what is open is never reaped: the lock that
 * goes is the one whose token was compared.
 */
'use strict';

const { constants, promises: fs } = require('node:fs');
const { randomUUID } = require('node:crypto');
const path = require('node:path');
const { Readable } = require('node:stream');

const MOUNTS = (process.env.BATON_MOUNT || '/data/tmp').split(':').filter(Boolean);
const PIECE = 1 << 20; // bytes read at a time
const ID = /^(?!\.\.?$)[A-Za-z0-9._-]{1,128}$/;
const LOCK_NAME = /^[A-Za-z0-9._-]{1,100}$/;

/* ---- XXH3-128, as `xxhsum -H2`, with 32-bit and floating point arithmetic: BigInt is twenty times slower ---- */

const SECRET = Buffer.from(
	'b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221' +
	'b8084674f743248ee03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8' +
	'a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb' +
	'170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e', 'hex');
const P32_1 = 0x9e3779b1, P32_2 = 0x85ebca77n, P32_3 = 0xc2b2ae3dn;
const P1 = 0x9e3779b185ebca87n, P2 = 0xc2b2ae3d27d4eb4fn, P3 = 0x165667b19e3779f9n;
const P4 = 0x85ebca77c2b2ae63n, P5 = 0x27d4eb2f165667c5n;
const u64 = (n) => BigInt.asUintN(64, n);
const le64 = (buffer, at) => buffer.readBigUInt64LE(at);
const key = (at) => le64(SECRET, at);
const fold = (a, b) => { const p = a * b; return u64(p) ^ (p >> 64n); };
const swap64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(n); return b.readBigUInt64BE(); };
const hex = (low, high) => ((u64(high) << 64n) | u64(low)).toString(16).padStart(32, '0');

function avalanche(h) {
	h ^= h >> 37n;
	h = u64(h * 0x165667919e3779f9n);
	return h ^ (h >> 32n);
}

function avalancheXxh64(h) {
	h ^= h >> 33n;
	h = u64(h * P2);
	h ^= h >> 29n;
	h = u64(h * P3);
	return h ^ (h >> 32n);
}

function hashTo16(b) {
	const n = b.length;
	if (n > 8) {
		let tail = le64(b, n - 8);
		const m = (le64(b, 0) ^ tail ^ key(32) ^ key(40)) * P1;
		let low = u64(m) + (BigInt(n - 1) << 54n);
		tail ^= key(48) ^ key(56);
		const high = u64((m >> 64n) + tail + (tail & 0xffffffffn) * (P32_2 - 1n));
		low = u64(low) ^ swap64(high);
		const h = low * P2;
		return hex(avalanche(u64(h)), avalanche(u64((h >> 64n) + high * P2)));
	}
	if (n >= 4) {
		const word = BigInt(b.readUInt32LE(0)) | (BigInt(b.readUInt32LE(n - 4)) << 32n);
		const m = (word ^ key(16) ^ key(24)) * u64(P1 + BigInt(n << 2));
		const high = u64((m >> 64n) + (u64(m) << 1n));
		let low = u64(m) ^ (high >> 3n);
		low ^= low >> 35n;
		low = u64(low * 0x9fb21c651e98df25n);
		return hex(low ^ (low >> 28n), avalanche(high));
	}
	if (n > 0) {
		const word = Buffer.from([b[n - 1], n, b[0], b[n >> 1]]);
		const swapped = word.readUInt32BE(0);
		const keyed = (value, at) => BigInt(value) ^ BigInt((SECRET.readUInt32LE(at) ^ SECRET.readUInt32LE(at + 4)) >>> 0);
		return hex(avalancheXxh64(keyed(word.readUInt32LE(0), 0)),
			avalancheXxh64(keyed(((swapped << 13) | (swapped >>> 19)) >>> 0, 8)));
	}
	return hex(avalancheXxh64(key(64) ^ key(72)), avalancheXxh64(key(80) ^ key(88)));
}

function hashTo240(b) {
	const n = b.length;
	const acc = [u64(BigInt(n) * P1), 0n];
	const mix16 = (at, secret) => fold(le64(b, at) ^ key(secret), le64(b, at + 8) ^ key(secret + 8));
	const mix = (one, two, secret) => {
		acc[0] = u64(acc[0] + mix16(one, secret)) ^ u64(le64(b, two) + le64(b, two + 8));
		acc[1] = u64(acc[1] + mix16(two, secret + 16)) ^ u64(le64(b, one) + le64(b, one + 8));
	};
	if (n <= 128) {
		for (let i = ((n - 1) >> 5); i >= 0; i--) mix(16 * i, n - 16 * (i + 1), 32 * i);
	} else {
		for (let i = 0; i < 4; i++) mix(32 * i, 32 * i + 16, 32 * i);
		acc[0] = avalanche(acc[0]);
		acc[1] = avalanche(acc[1]);
		for (let i = 4; i < n >> 5; i++) mix(32 * i, 32 * i + 16, 3 + 32 * (i - 4));
		mix(n - 16, n - 32, 103);
	}
	return hex(avalanche(u64(acc[0] + acc[1])),
		u64(-avalanche(u64(acc[0] * P1 + acc[1] * P4 + BigInt(n) * P2))));
}

/*
 * Longer inputs: blocks of 16 stripes of 64 bytes, each of 8 lanes. The last stripe is always the last 64 bytes, so a
 * block is done when something follows it. `low` and `high` are the halves of the lanes; carries wait in the
 * floating point numbers until the end of a block (32 sums of 2^32 are far below 2^53).
 */
class Xxh3 {
	constructor() {
		this.low = new Float64Array(8);
		this.high = new Float64Array(8);
		[P32_3, P1, P2, P3, P4, P32_2, P5, BigInt(P32_1)].forEach((value, i) => {
			this.low[i] = Number(value & 0xffffffffn);
			this.high[i] = Number(value >> 32n);
		});
		this.bytes = Buffer.from(new ArrayBuffer(64 + 65536)); // 64 of history, then what waits
		this.words = new Int32Array(this.bytes.buffer);
		this.keys = new Int32Array(SECRET.buffer.slice(SECRET.byteOffset, SECRET.byteOffset + 192));
		this.used = 0;
		this.size = 0;
	}

	update(chunk) {
		for (let at = 0; at < chunk.length;) {
			if (this.used === 65536) this.blocks(64);
			const n = chunk.copy(this.bytes, 64 + this.used, at, at + 65536 - this.used);
			this.used += n;
			this.size += n;
			at += n;
		}
	}

	blocks(count) {
		for (let i = 0; i < count; i++) {
			this.stripes(16 + 256 * i, this.keys, 16);
			this.scramble();
		}
		this.bytes.copyWithin(0, count * 1024, 64 + this.used);
		this.used -= count * 1024;
	}

	/* `at` is a word; the key of a stripe begins 8 bytes after the last one's. */
	stripes(at, keys, count) {
		const { low, high, words } = this;
		for (let s = 0; s < count; s++) {
			for (let i = 0; i < 8; i++) {
				const dataLow = words[at + 2 * i], dataHigh = words[at + 2 * i + 1];
				const a = dataLow ^ keys[2 * (s + i)], b = dataHigh ^ keys[2 * (s + i) + 1];
				const productLow = Math.imul(a, b) >>> 0;
				low[i ^ 1] += dataLow >>> 0;
				high[i ^ 1] += dataHigh >>> 0;
				low[i] += productLow;
				// A multiple of 2^32 but for the product's rounding, which is below 2^12.
				high[i] += Math.round(((a >>> 0) * (b >>> 0) - productLow) / 4294967296);
			}
			at += 16;
		}
	}

	lane(i) {
		return u64((BigInt(this.high[i]) << 32n) + BigInt(this.low[i]));
	}

	scramble() {
		for (let i = 0; i < 8; i++) {
			const carry = Math.floor(this.low[i] / 4294967296);
			let l = this.low[i] % 4294967296 | 0;
			let h = (this.high[i] + carry) % 4294967296 | 0;
			l ^= (h >>> 15) ^ this.keys[32 + 2 * i]; // >> 47
			h ^= this.keys[33 + 2 * i];
			const productLow = Math.imul(l, P32_1) >>> 0;
			const product = (l >>> 0) * P32_1;
			this.low[i] = productLow;
			this.high[i] = (Math.round((product - productLow) / 4294967296) + (Math.imul(h, P32_1) >>> 0)) % 4294967296;
		}
	}

	digest() {
		const all = this.bytes.subarray(64, 64 + this.used);
		if (this.size <= 16) return hashTo16(all);
		if (this.size <= 240) return hashTo240(all);
		const whole = (this.used - 1) >> 10;
		this.blocks(whole);
		this.stripes(16, this.keys, (this.used - 1) >> 6);
		this.bytes.copyWithin(64, this.used, this.used + 64);
		this.stripes(16, new Int32Array(Uint8Array.from(SECRET.subarray(121, 185)).buffer), 1);
		const merge = (start, at) => {
			for (let i = 0; i < 4; i++)
				start += fold(this.lane(2 * i) ^ key(at + 16 * i), this.lane(2 * i + 1) ^ key(at + 16 * i + 8));
			return avalanche(u64(start));
		};
		const size = BigInt(this.size);
		return hex(merge(u64(size * P1), 11), merge(u64(~(size * P2)), 117));
	}
}

/* ---- paths ---- */

const inside = (file, folder) => file.startsWith(folder.endsWith('/') ? folder : folder + '/');

async function batonfs() {
	for (const mount of MOUNTS) {
		const version = await fs.readFile(path.join(mount, '.baton', 'version'), 'utf8').catch(() => '');
		if (version.startsWith('batonfs ')) return mount;
	}
	throw new Error(`no batonfs is mounted on ${MOUNTS.join(' or ')} (BATON_MOUNT)`);
}

function executionOf(id) {
	if (!ID.test(String(id))) throw new Error(`"${id}" is not the ID of an execution`);
	return String(id);
}

/* What a descriptor leads to must be a file of an execution, whatever links the path went through. */
async function checked(handle, file) {
	const real = await fs.readlink(`/proc/self/fd/${handle.fd}`);
	const mounts = await Promise.all(MOUNTS.map((m) => fs.realpath(m).catch(() => m)));
	const mount = mounts.find((m) => inside(real, m));
	if (!mount || inside(real, path.join(mount, '.baton')) || inside(real, path.join(mount, 'n8n')))
		throw new Error(`${file} is no file of an execution below ${MOUNTS.join(' or ')} (BATON_MOUNT)`);
	const stat = await handle.stat({ bigint: true });
	if (!stat.isFile()) throw new Error(`${file} is not a regular file`);
	return { handle, real, stat };
}

async function openInside(file, flags) {
	const handle = await fs.open(file, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o666);
	try {
		return await checked(handle, file);
	} catch (error) {
		await handle.close();
		throw error;
	}
}

/* Open a file for writing, and make the folders it is in, following no link below the mount. */
async function create(mount, file) {
	const names = path.relative(mount, file).split('/');
	const last = names.pop();
	let folder = await fs.open(mount, constants.O_RDONLY | constants.O_DIRECTORY);
	try {
		for (const name of names) {
			const next = `/proc/self/fd/${folder.fd}/${name}`;
			await fs.mkdir(next).catch((error) => { if (error.code !== 'EEXIST') throw error; });
			const child = await fs.open(next, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
			await folder.close();
			folder = child;
		}
		return await openInside(`/proc/self/fd/${folder.fd}/${last}`, constants.O_WRONLY | constants.O_CREAT);
	} finally {
		await folder.close();
	}
}

async function setAttribute(mount, id, name, value) {
	const file = await fs.open(path.join(mount, '.baton', 'executions', id, name), constants.O_WRONLY);
	try {
		await file.write(String(value));
	} finally {
		await file.close();
	}
}

/* ---- the operations; each returns an item ---- */

async function writeAll(handle, source, size) {
	const hash = new Xxh3();
	let at = 0;
	// A size that is known first lets the store give huge pages at once.
	if (size > 0) await handle.truncate(size);
	for await (const chunk of source) {
		const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
		hash.update(bytes);
		for (let done = 0; done < bytes.length;) {
			const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, at);
			done += bytesWritten;
			at += bytesWritten;
		}
	}
	await handle.truncate(at);
	return { size: at, xxh3: hash.digest() };
}

async function handOff(node, i) {
	const mount = await batonfs();
	const binary = node.helpers.assertBinaryData(i, node.getNodeParameter('binaryProperty', i));
	const execution = executionOf(node.getNodeParameter('execution', i));
	const name = node.getNodeParameter('fileName', i) || binary.fileName || 'input.bin';
	const ttl = node.getNodeParameter('ttl', i, '');
	const folder = path.join(mount, execution);
	const file = path.join(folder, name);
	if (name.includes('\0') || !inside(file, folder)) throw new Error(`"${name}" is not a name below ${folder}`);

	let source, size = 0;
	if (binary.id) {
		source = await node.helpers.getBinaryStream(binary.id, PIECE);
		size = (await node.helpers.getBinaryMetadata(binary.id)).fileSize || 0;
	} else {
		source = [Buffer.from(binary.data, 'base64')];
		size = source[0].length;
	}
	const { handle, real } = await create(mount, file);
	let written, stat;
	try {
		written = await writeAll(handle, source, size);
		stat = await handle.stat({ bigint: true });
	} finally {
		await handle.close();
	}
	if (ttl) await setAttribute(mount, execution, 'ttl', ttl);
	return {
		json: {
			path: real, size: written.size, execution, ino: Number(stat.ino),
			mtime: Number(stat.mtimeNs) / 1e9, xxh3: written.xxh3,
			fileName: path.basename(name), mimeType: binary.mimeType,
		},
	};
}

/* The file's bytes; fails at the end, before the reader has been told that it is one, if they are not the reference's. */
async function* verified(handle, reference) {
	const hash = new Xxh3();
	const piece = Buffer.allocUnsafe(PIECE);
	for (let at = 0; ;) {
		const { bytesRead } = await handle.read(piece, 0, PIECE, at);
		if (bytesRead === 0) break;
		at += bytesRead;
		const bytes = Buffer.from(piece.subarray(0, bytesRead));
		hash.update(bytes);
		yield bytes;
	}
	if (hash.size !== reference.size)
		throw new Error(`${reference.path} has ${hash.size} bytes, the reference says ${reference.size}`);
	const found = reference.xxh3 ? hash.digest() : undefined;
	if (found !== reference.xxh3)
		throw new Error(`${reference.path} has changed: its hash is ${found}, the reference says ${reference.xxh3}`);
}

async function load(node, i) {
	const value = node.getNodeParameter('reference', i);
	const reference = typeof value === 'string' ? JSON.parse(value) : value;
	if (!reference || typeof reference.path !== 'string' || !Number.isSafeInteger(reference.size))
		throw new Error('not a reference: it is a JSON object with path and size, as Hand Off or `baton ref` makes it');
	const { handle, real } = await openInside(reference.path, constants.O_RDONLY);
	try {
		const stream = Readable.from(verified(handle, reference), { objectMode: false });
		const binary = await node.helpers.prepareBinaryData(stream, reference.fileName || path.basename(real),
			reference.mimeType);
		return {
			json: { path: real, size: reference.size, verified: true, hash: Boolean(reference.xxh3) },
			binary: { [node.getNodeParameter('binaryProperty', i)]: binary },
		};
	} finally {
		await handle.close();
	}
}

/* The execution has no files here, or only n8n's own data of it, which is n8n's to prune. */
const hasNothing = (error) => error.code === 'ENOENT' || error.code === 'EPERM';

async function release(node, i) {
	const mount = await batonfs();
	const execution = executionOf(node.getNodeParameter('execution', i));
	const released = await setAttribute(mount, execution, 'release', 1).then(() => true, (error) => {
		if (hasNothing(error)) return false;
		throw error;
	});
	return { json: { execution, released } };
}

async function pin(node, i) {
	const mount = await batonfs();
	const execution = executionOf(node.getNodeParameter('execution', i));
	const pinned = node.getNodeParameter('pinned', i);
	await setAttribute(mount, execution, 'pinned', pinned ? 1 : 0).catch((error) => {
		if (!hasNothing(error)) throw error;
		throw new Error(`execution ${execution} has no files on ${mount} to keep`);
	});
	return { json: { execution, pinned } };
}

function lockOf(mount, name) {
	if (!LOCK_NAME.test(name)) throw new Error(`"${name}" cannot name a lock: 1 to 100 of A-Z a-z 0-9 . _ -`);
	const id = `lock-${name}`;
	const folder = path.join(mount, id);
	return { id, folder, file: path.join(folder, 'lock') };
}

/* A new lock file with our token, or the error EEXIST. The folder may go under our hands: then once more. */
async function lockFile({ folder, file }, token) {
	for (let tries = 0; ; tries++) {
		await fs.mkdir(folder).then(() => fs.chmod(folder, 0o777), (error) => {
			if (error.code !== 'EEXIST') throw error;
		}).catch((error) => {
			if (error.code !== 'ENOENT') throw error;
		});
		try {
			const handle = await fs.open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o666);
			try {
				await handle.write(token);
			} finally {
				await handle.close();
			}
			return;
		} catch (error) {
			if (error.code !== 'ENOENT' || tries === 10) throw error;
		}
	}
}

async function lock(node, i) {
	const mount = await batonfs();
	const name = String(node.getNodeParameter('lockName', i));
	const ttl = node.getNodeParameter('lockTtl', i);
	const token = randomUUID();
	const where = lockOf(mount, name);
	try {
		await lockFile(where, token);
	} catch (error) {
		if (error.code !== 'EEXIST') throw error;
		// Not opened: that would count as use and prolong it.
		const about = await fs.readFile(path.join(mount, '.baton', 'executions', where.id, 'execution.json'), 'utf8')
			.then(JSON.parse, () => ({}));
		if (node.getNodeParameter('whenHeld', i) === 'fail') throw new Error(`the lock ${name} is held`);
		return { json: { lock: name, locked: false, expires: about.expires ?? null } };
	}
	try {
		await setAttribute(mount, where.id, 'ttl', ttl);
	} catch (error) {
		await fs.unlink(where.file).catch(() => {});
		throw new Error(`lock ${name}: "${ttl}" is no time to live, or not ours to set: ${error.message}`);
	}
	return { json: { lock: name, locked: true, token, ttl: String(ttl) } };
}

async function unlock(node, i) {
	const mount = await batonfs();
	const name = String(node.getNodeParameter('lockName', i));
	const token = String(node.getNodeParameter('token', i));
	const { folder, file } = lockOf(mount, name);
	const handle = await fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error) => {
		if (error.code !== 'ENOENT') throw error;
	});
	if (!handle) return { json: { lock: name, unlocked: false, why: 'expired, or never taken' } };
	try {
		if ((await handle.readFile('utf8')) !== token)
			return { json: { lock: name, unlocked: false, why: 'it is held by somebody else' } };
		await fs.unlink(file);
	} finally {
		await handle.close();
	}
	await fs.rmdir(folder).catch(() => {}); // taken again already, or another's folder: it has a time-to-live
	return { json: { lock: name, unlocked: true } };
}

/* ---- what n8n shows ---- */

const OPERATIONS = { handOff, load, release, pin, lock, unlock };

const operation = (value, name, action) => ({ name, value, action, description: action });
const only = (...operations) => ({ displayOptions: { show: { operation: operations } } });

const properties = [
	{
		displayName: 'Operation', name: 'operation', type: 'options', noDataExpression: true, default: 'handOff',
		options: [
			operation('handOff', 'Hand Off', 'Write a binary property to a file and pass on its reference'),
			operation('load', 'Load', 'Read the file of a reference into a binary property'),
			operation('release', 'Release', 'Give an execution\'s files up'),
			operation('pin', 'Pin', 'Keep an execution\'s files, or no longer'),
			operation('lock', 'Lock', 'Take a lock if nobody has it'),
			operation('unlock', 'Unlock', 'Give a lock back'),
		],
	},
	{
		displayName: 'Execution', name: 'execution', type: 'string', default: '={{ $execution.id }}', required: true,
		description: 'Whose files: by default the running execution\'s', ...only('handOff', 'release', 'pin'),
	},
	{
		displayName: 'Binary Property', name: 'binaryProperty', type: 'string', default: 'data', required: true,
		...only('handOff', 'load'),
	},
	{
		displayName: 'File Name', name: 'fileName', type: 'string', default: '', placeholder: 'the binary property\'s',
		description: 'Below the execution\'s directory; folders in it are made', ...only('handOff'),
	},
	{
		displayName: 'Time to Live', name: 'ttl', type: 'string', default: '', placeholder: 'the mount\'s',
		description: 'Of the execution, after its last use: 90s, 30m, 2h, 7d, never', ...only('handOff'),
	},
	{
		displayName: 'Reference', name: 'reference', type: 'json', default: '={{ $json }}', required: true,
		description: 'What Hand Off or baton ref gave', ...only('load'),
	},
	{
		displayName: 'Pinned', name: 'pinned', type: 'boolean', default: true,
		description: 'Whether the files stay until they are unpinned or released', ...only('pin'),
	},
	{
		displayName: 'Lock', name: 'lockName', type: 'string', default: '', required: true, placeholder: 'order-4711',
		...only('lock', 'unlock'),
	},
	{
		displayName: 'Time to Live', name: 'lockTtl', type: 'string', default: '10m', required: true,
		description: 'After that the lock is free even if its holder died: 90s, 30m, 2h', ...only('lock'),
	},
	{
		displayName: 'When Held', name: 'whenHeld', type: 'options', default: 'continue', ...only('lock'),
		options: [
			{ name: 'Continue With locked: False', value: 'continue' },
			{ name: 'Fail', value: 'fail' },
		],
	},
	{
		displayName: 'Token', name: 'token', type: 'string', default: '={{ $json.token }}', required: true,
		description: 'What Lock gave', ...only('unlock'),
	},
];

class Baton {
	constructor() {
		this.description = {
			displayName: 'Baton', name: 'baton', group: ['transform'], version: 1, icon: 'fa:exchange-alt',
			description: 'Hand over files by reference (batonfs)', subtitle: '={{ $parameter["operation"] }}',
			defaults: { name: 'Baton' }, inputs: ['main'], outputs: ['main'], properties,
		};
	}

	async execute() {
		const items = this.getInputData();
		const results = [];
		for (let i = 0; i < items.length; i++) {
			try {
				const item = await OPERATIONS[this.getNodeParameter('operation', i)](this, i);
				results.push({ ...item, pairedItem: { item: i } });
			} catch (error) {
				if (!this.continueOnFail()) throw error;
				results.push({ json: { error: error.message }, pairedItem: { item: i } });
			}
		}
		return [results];
	}
}

module.exports = { Baton };
