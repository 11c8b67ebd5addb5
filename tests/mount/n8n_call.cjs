// SPDX-License-Identifier: MIT
/*
 * n8n's side of a call, for the tests of tools/n8n: `node n8n_call.cjs WHAT ARGUMENT...` prints JSON.
 *
 *     hook HOOKS STATUS ID        what workflow.postExecute of that file does for an execution of that status
 *     sweep HOOKS ID=STATUS...    what n8n.ready does when the database says that
 *     node NODE PARAMETERS [FILE] one item through the node, with FILE as its binary property; a binary property that
 *                                 comes out is written to FILE.out
 */
'use strict';
const fs = require('node:fs');
const path = require('node:path');

const [what, file, ...rest] = process.argv.slice(2);
const print = (value) => console.log(JSON.stringify(value));

async function hook([status, id]) {
	const hooks = require(path.resolve(file));
	const started = process.hrtime.bigint();
	for (const run of hooks.workflow.postExecute) {
		const answer = await run.call({}, status === 'none' ? undefined : { status, data: {} }, { nodes: [] }, id);
		if (answer !== undefined) throw new Error(`it answered ${answer}`);
	}
	print({ ms: Number(process.hrtime.bigint() - started) / 1e6 });
}

async function sweep(pairs) {
	const rows = new Map(pairs.map((pair) => pair.split('=')));
	const findOne = async ({ where }) => (rows.has(where.id) ? { id: where.id, status: rows.get(where.id) } : null);
	const manager = { getRepository: () => ({ findOne }) };
	for (const run of require(path.resolve(file)).n8n.ready) await run.call({ dbCollections: { Workflow: { manager } } });
	print({});
}

/* As little of n8n as the node sees of it. */
function context(parameters, binary) {
	return {
		getInputData: () => [{ json: {} }],
		getNodeParameter: (name, i, fallback) => (name in parameters ? parameters[name] : fallback ?? ''),
		continueOnFail: () => false,
		helpers: {
			assertBinaryData: () => ({ id: 'filesystem-v2:x', fileName: path.basename(binary), mimeType: 'text/csv' }),
			getBinaryStream: async (id, size) => fs.createReadStream(binary, { highWaterMark: size }),
			getBinaryMetadata: async () => ({ fileSize: fs.statSync(binary).size }),
			prepareBinaryData: async (stream, fileName) => {
				await fs.promises.writeFile(`${binary}.out`, stream);
				return { fileName };
			},
		},
	};
}

async function node([parameters, binary]) {
	const { Baton } = require(path.resolve(file));
	const known = new Set(new Baton().description.properties.map((p) => p.name));
	const values = JSON.parse(parameters);
	for (const name of Object.keys(values)) if (!known.has(name)) throw new Error(`the node has no ${name}`);
	const [[item]] = await new Baton().execute.call(context(values, binary));
	print(item.json);
}

({ hook, sweep, node })[what](rest).catch((error) => {
	console.log(`error: ${error.message}`);
	process.exitCode = 1;
});
