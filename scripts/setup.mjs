// Prepares a clone: installs packages, builds, fetches servers. Skips what is in place. Reports on
// stderr. Plain Node, because no packages may be installed yet.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const say = (text) => process.stderr.write(`leasehold: ${text}\n`);

function run(what, command, argv) {
  // The tools print to stderr, because stdout belongs to the caller.
  const result = spawnSync(command, argv, { cwd: root, stdio: ['ignore', 2, 2] });
  if (result.status === 0) return;
  say(result.error === undefined ? `${what} failed` : `${what} failed: ${result.error.message}`);
  process.exit(result.status ?? 1);
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  say(
    `this is Node ${process.versions.node}; Leasehold needs 20.19 or newer: install it and try again`,
  );
  process.exit(1);
}

const stamp = join(root, 'node_modules', '.leasehold-lock-hash');
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');
const isInstalled = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
if (!isInstalled) {
  say('installing packages (npm ci)');
  run('npm ci', 'npm', ['ci', '--no-audit', '--no-fund']);
  writeFileSync(stamp, lock);
}

run('the build', process.execPath, [join(root, 'scripts', 'build.mjs')]);
run('fetching the servers', process.execPath, [
  join(root, 'dist', 'tools', 'stack', 'fetch-cli.js'),
]);
