// SPDX-License-Identifier: MIT
/*
 * n8n's end of the bargain: EXTERNAL_HOOK_FILES=/path/to/hooks.js in every n8n process (main, workers, webhooks).
 *
 * n8n calls workflow.postExecute(run, workflow, executionId) when an execution has ended, well or badly, and when
 * it goes to sleep in a Wait node. It awaits the answer and throws our errors at its user. So:
 *
 *     ended      the execution is released, unless somebody else has pinned it (baton pin, the node's Pin)
 *     waiting    it is pinned, with a time-to-live that says who did it: WAITING_TTL
 *     anything else, or anything that goes wrong: nothing, and a line in the log. The time-to-live is the net.
 *
 * No call takes longer than BATON_HOOK_TIMEOUT_MS (default 1000). A mount that hangs takes one thread of Node's
 * pool at most: while a call is stuck, none is made.
 *
 * An execution that slept, went on and was killed with n8n, or that was deleted while it slept, stays pinned: nobody
 * calls us. So n8n's main process asks its database, at its start and then every hour, about those we have pinned.
 *
 * BATON_MOUNT is the mountpoint (default /data/tmp). Several may be given, separated by colons.
 */
'use strict';

const { promises: fs, constants } = require('node:fs');
const path = require('node:path');

const MOUNTS = (process.env.BATON_MOUNT || '/data/tmp').split(':').filter(Boolean);
const TIMEOUT_MS = Number(process.env.BATON_HOOK_TIMEOUT_MS) || 1000;

/*
 * Our mark: nobody types this, and a pin that is taken off by hand leaves an execution that ends some day. Seconds,
 * as .baton shows them.
 */
const WAITING_TTL = '2592000.001';

/* What an execution may be called. Source: baton/interface.h, BATON_ID_MAX. */
const ID = /^(?!\.\.?$)[A-Za-z0-9._-]{1,128}$/;

const SWEEP_MS = 3600 * 1000;

/* Of an execution that n8n will not take up again. */
const OVER = ['canceled', 'crashed', 'error', 'success'];

/*
 * The execution wrote nothing on this mount, or is gone already; is known there for n8n's own binary data alone, which is
 * n8n's to prune (EPERM); no batonfs, which is said at the start.
 */
const NOTHING_HERE = ['ENOENT', 'EPERM', 'ENOTDIR'];

let stuck = 0; // calls that did not come back in time
const told = new Set();

function warn(what) {
	if (told.has(what)) return;
	if (told.size < 100) told.add(what);
	console.warn(`batonfs hook: ${what}`);
}

/* The value of a promise, or undefined when it fails or takes too long. Never throws. */
function bounded(work, what) {
	return new Promise((resolve) => {
		let late = false;
		const timer = setTimeout(() => {
			late = true;
			stuck++;
			warn(`${what}: no answer within ${TIMEOUT_MS} ms; leaving it to the time-to-live`);
			resolve(undefined);
		}, TIMEOUT_MS);
		const settle = (value) => {
			clearTimeout(timer);
			if (late) stuck--;
			resolve(value);
		};
		work.then(settle, (error) => {
			if (!NOTHING_HERE.includes(error.code)) warn(`${what}: ${error.message}`);
			settle(undefined);
		});
	});
}

async function set(dir, name, value) {
	// Not writeFile(), whose flags would make a file where no batonfs is mounted.
	const file = await fs.open(path.join(dir, name), constants.O_WRONLY);
	try {
		await file.write(value);
	} finally {
		await file.close();
	}
}

const get = async (dir, name) => (await fs.readFile(path.join(dir, name), 'utf8')).trim();

async function ended(dir) {
	// Two questions: a pin that is not ours keeps the files.
	if ((await get(dir, 'pinned')) === '1' && (await get(dir, 'ttl')) !== WAITING_TTL) return;
	await set(dir, 'release', '1');
}

async function waiting(dir) {
	if ((await get(dir, 'pinned')) === '1') return;
	await set(dir, 'ttl', WAITING_TTL);
	await set(dir, 'pinned', '1');
}

/* Ours no more: it expires like any other. */
async function forget(dir) {
	await set(dir, 'ttl', 'default');
	await set(dir, 'pinned', '0');
}

const executionDir = (mount, id) => path.join(mount, '.baton', 'executions', id);

async function postExecute(run, workflow, executionId) {
	try {
		const id = String(executionId ?? '');
		if (!ID.test(id) || stuck > 0) return;
		const sleeps = Boolean(run && (run.status === 'waiting' || run.waitTill));
		const act = sleeps ? waiting : ended;
		await Promise.all(MOUNTS.map((mount) =>
			bounded(act(executionDir(mount, id)), `${mount}: execution ${id}`)));
	} catch (error) {
		warn(String(error));
	}
}

/* IDs of those that we have pinned on a mount. */
async function pinnedByUs(mount) {
	const all = JSON.parse(await fs.readFile(path.join(mount, '.baton', 'executions.json'), 'utf8'));
	return all.executions
		.filter((e) => e.pinned && e.lifetime === 'ttl' && String(e.ttl) === WAITING_TTL)
		.map((e) => e.execution);
}

/* `context` is n8n's: its repositories, one of which leads to the others. */
async function sweep(context, mount) {
	const ids = await pinnedByUs(mount);
	if (ids.length === 0) return;
	const table = context.dbCollections.Workflow.manager.getRepository('ExecutionEntity');
	for (const id of ids) {
		const row = await table.findOne({ select: ['id', 'status'], where: { id } });
		if (!row || OVER.includes(row.status)) await forget(executionDir(mount, id));
	}
}

async function sweepAll(context) {
	if (stuck > 0) return;
	for (const mount of MOUNTS) await bounded(sweep(context, mount), `${mount}: looking for forgotten pins`);
}

async function checkMount(mount) {
	const version = await bounded(get(path.join(mount, '.baton'), 'version'), mount);
	if (version === undefined) warn(`no batonfs answers at ${mount} (BATON_MOUNT); nothing is released`);
}

async function ready() {
	try {
		for (const mount of MOUNTS) await checkMount(mount);
		const context = this;
		if (context && context.dbCollections) {
			await sweepAll(context);
			setInterval(() => sweepAll(context), SWEEP_MS).unref();
		}
	} catch (error) {
		warn(String(error));
	}
}

async function workerReady() {
	try {
		for (const mount of MOUNTS) await checkMount(mount);
	} catch (error) {
		warn(String(error));
	}
}

module.exports = {
	n8n: { ready: [ready] },
	worker: { ready: [workerReady] },
	workflow: { postExecute: [postExecute] },
};
