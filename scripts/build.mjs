// Compiles the TypeScript folders to dist. Does nothing if no source has changed since the last
// build. Plain Node, because it runs before anything is built.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const rooms = ['src', 'coordinator', 'advancer', 'cli', 'tools'];
const settings = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'scripts/build.mjs',
];

function filesUnder(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

const sources = rooms.flatMap((room) => filesUnder(join(root, room)));
const hash = createHash('sha256');
for (const file of [...settings.map((name) => join(root, name)), ...sources]) {
  hash
    .update(`${relative(root, file)}\0`)
    .update(readFileSync(file))
    .update('\0');
}
const fingerprint = hash.digest('hex');
const stamp = join(dist, '.leasehold-build-hash');
if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) process.exit(0);

process.stderr.write('leasehold: compiling\n');
// Compiled next to dist and swapped in by renaming, so that no process runs half a build.
const draft = join(root, `dist.${process.pid}.tmp`);
const old = join(root, `dist.${process.pid}.old.tmp`);
const removeTemporary = () => {
  for (const dir of [draft, old]) rmSync(dir, { recursive: true, force: true });
};
process.on('exit', removeTemporary);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const argv = [tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', draft];
const compiled = spawnSync(process.execPath, argv, { cwd: root, stdio: ['ignore', 2, 2] });
if (compiled.status !== 0) {
  process.stderr.write('leasehold: the build failed; see the compiler errors above\n');
  process.exit(1);
}
for (const file of sources.filter((name) => name.endsWith('.sql'))) {
  const target = join(draft, relative(root, file));
  mkdirSync(dirname(target), { recursive: true });
  copyFileSync(file, target);
}
// What editors read is made from the schemas that check runbooks, so the two cannot differ.
const schemaModule = pathToFileURL(join(draft, 'src', 'runbook', 'json-schema.js'));
const { runbookJsonSchema } = await import(schemaModule.href);
const schema = JSON.stringify(runbookJsonSchema(), null, 2);
writeFileSync(join(draft, 'runbook.schema.json'), `${schema}\n`);
/*
 * The first lines of the program give Node its options. `env` cannot do that everywhere: BusyBox's
 * has no -S. A shell runs the second line and gets no further; for Node it is a string and a
 * comment. As the first process of a container the shell stays, passes signals on, and reaps what
 * commands leave behind, which Node cannot do. There are two lines before and after, so that the
 * source map stays right.
 */
const main = join(draft, 'cli', 'main.js');
const program = readFileSync(main, 'utf8').split('\n');
if (program[0] !== '#!/usr/bin/env node' || !program[1].startsWith('// The build replaces')) {
  process.stderr.write('leasehold: cli/main.ts does not begin with the lines to replace\n');
  process.exit(1);
}
const node = 'node --max-semi-space-size=64 "$0" "$@"';
const shell = [
  `[ $$ = 1 ] || exec ${node}`,
  `${node} <&0 & c=$!`,
  `trap 'kill -TERM $c' TERM`,
  `trap 'kill -INT $c' INT`,
  'while :; do wait $c; s=$?; kill -0 $c 2>/dev/null || exit $s; done',
];
const start = ['#!/bin/sh', `':' //; ${shell.join('; ')}`];
writeFileSync(main, [...start, ...program.slice(2)].join('\n'));
chmodSync(main, 0o755);
writeFileSync(join(draft, '.leasehold-build-hash'), fingerprint);
if (existsSync(dist)) renameSync(dist, old);
renameSync(draft, dist);
