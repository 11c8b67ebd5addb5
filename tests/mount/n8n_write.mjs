// SPDX-License-Identifier: MIT
// Write DIRECTORY/NAME as n8n's write nodes do, and check on the way what they check.
import { constants, promises as fs } from 'node:fs';
import path from 'node:path';

const [directory, name, mib] = process.argv.slice(2);

const fail = (what) => {
	console.log(`FAIL: ${what}`);
	process.exit(1);
};

const parts = directory.split('/').filter(Boolean);
for (let i = 1; i <= parts.length; i++) {
	try {
		await fs.readlink('/' + parts.slice(0, i).join('/'));
		fail(`${parts[i - 1]} is a link`);
	} catch (e) {
		if (e.code !== 'EINVAL') fail(e.message);
	}
}
const real = await fs.realpath(directory);
if (real !== directory) fail(`realpath ${real}`);
const before = await fs.stat(real);
if (!before.isDirectory()) fail('no directory');

const dir = await fs.open(real, constants.O_RDONLY | constants.O_DIRECTORY);
const opened = await dir.stat();
if (opened.ino !== before.ino || opened.dev !== before.dev) fail('another directory');
const file = await fs.open(`/proc/self/fd/${dir.fd}/${name}`,
	constants.O_WRONLY | constants.O_CREAT | constants.O_NOFOLLOW, 0o666);
const byFd = await file.stat();
const byPath = await fs.stat(path.join(real, name));
if (byFd.ino !== byPath.ino || byFd.dev !== byPath.dev) fail('another file');
const after = await fs.stat(real);
if (after.ino !== before.ino || after.dev !== before.dev) fail(`directory was ${before.ino}, is ${after.ino}`);

await file.truncate(0);
const chunk = Buffer.alloc(65536);
for (let i = 0; i < mib * 16; i++) {
	chunk.fill(i & 255);
	await file.write(chunk, 0, chunk.length);
}
await file.close();
await dir.close();

const written = await fs.stat(path.join(directory, name));
if (written.ino !== byFd.ino || written.size !== mib << 20) fail(`written: ${written.ino} ${written.size}`);
console.log(before.ino);
