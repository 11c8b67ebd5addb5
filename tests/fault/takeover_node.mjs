// SPDX-License-Identifier: MIT
//
// node takeover_node.mjs DIRECTORY DONE: write files as n8n does, until the file DONE is there: under another name, renamed,
// read back, copied, appended to. Prints "PATH SHA256" of each that is left, for takeover_load.py map.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';

const [directory, done] = process.argv.slice(2);
const WRITERS = 3;

const sha = (data) => createHash('sha256').update(data).digest('hex');

async function same(path, data) {
	const got = await fs.readFile(path);
	if (!got.equals(data)) throw new Error(`${path}: ${got.length} bytes are not the ${data.length} that were written`);
}

async function write(writer) {
	for (let i = 0; !existsSync(done); i++) {
		const path = `${directory}/${writer}/${i % 10}/file${i}`;
		const data = randomBytes(Math.floor(2 ** (Math.random() * 18)));
		await fs.mkdir(`${directory}/${writer}/${i % 10}`, { recursive: true });
		await fs.writeFile(`${path}.part`, data);
		await fs.rename(`${path}.part`, path);
		await same(path, data);
		await fs.copyFile(path, `${path}.copy`);
		await fs.appendFile(`${path}.copy`, data);
		await same(`${path}.copy`, Buffer.concat([data, data]));
		if ((await fs.stat(`${path}.copy`)).size !== 2 * data.length) throw new Error(`${path}.copy: size`);
		const names = await fs.readdir(`${directory}/${writer}/${i % 10}`);
		if (!names.includes(`file${i}.copy`)) throw new Error(`${path}.copy is not listed: ${names}`);
		await fs.unlink(`${path}.copy`);
		process.stdout.write(`${path} ${sha(data)}\n`);
	}
}

try {
	await Promise.all(Array.from({ length: WRITERS }, (_, writer) => write(writer)));
} catch (e) {
	process.stderr.write(`takeover_node: ${Number(process.hrtime.bigint()) / 1e9}: ${e.stack}\n`);
	process.exit(1);
}
