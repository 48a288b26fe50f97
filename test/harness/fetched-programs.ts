import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { TestContext } from 'vitest';

import { aptOf } from '../../tools/stack/apt.ts';
import { cacheDir } from '../../tools/stack/cache-dir.ts';
import { runCommand } from '../../tools/stack/command.ts';

/** The oldest Node that the package supports. */
const OLDEST_NODE = '20.19.0';

/**
 * BusyBox: an installed one, else Debian's, fetched into the cache. Skips the test, with the
 * reason, if there is none.
 */
export async function busybox(context: Pick<TestContext, 'skip'>): Promise<string> {
  const cache = join(await cacheDir(), 'servers', `${process.platform}-${process.arch}`);
  const kept = join(cache, 'busybox');
  const installed = ['/bin/busybox', '/usr/bin/busybox', kept].find((path) => existsSync(path));
  if (installed !== undefined) return installed;
  const dir = await mkdtemp(join(tmpdir(), 'leasehold-busybox-'));
  try {
    const problem = await fetchInto(dir);
    const fetched = ['bin', 'usr/bin']
      .map((folder) => join(dir, 'unpacked', folder, 'busybox'))
      .find((path) => existsSync(path));
    if (fetched === undefined)
      return context.skip(`BusyBox cannot be had here: ${problem ?? 'the package has none'}`);
    await mkdir(cache, { recursive: true });
    // A concurrent run sees a whole file or none.
    const draft = `${kept}-${process.pid}`;
    await copyFile(fetched, draft);
    await rename(draft, kept);
    return kept;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function fetchInto(dir: string): Promise<string | undefined> {
  const apt = await aptOf(dir, undefined);
  if (apt === undefined) return 'the system has no apt sources';
  const update = await apt.run('apt-get', 'update');
  if (update.code !== 0) return `apt-get update failed: ${update.stderr.trim()}`;
  return apt.unpack(['busybox-static']);
}

/**
 * The program of the oldest Node that the package supports, from the npm package `node`, which npm
 * caches. Skips the test, with the reason, if it cannot be had.
 */
export async function oldestNode(context: Pick<TestContext, 'skip'>): Promise<string> {
  const argv = ['exec', '--yes', `--package=node@${OLDEST_NODE}`, '--', 'node'];
  const print = 'console.log(process.version, process.execPath)';
  const { code, stdout, stderr } = await runCommand('npm', [...argv, '-e', print]);
  const [version, path] = stdout.trim().split(' ');
  if (code !== 0 || version !== `v${OLDEST_NODE}` || path === undefined)
    return context.skip(`Node ${OLDEST_NODE} cannot be had here: ${stderr.trim() || stdout}`);
  return path;
}
