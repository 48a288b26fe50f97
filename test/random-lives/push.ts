import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { TestCluster } from '../harness/replicas.ts';
import { CHILD_RUNBOOK } from './family.ts';
import type { Life } from './life.ts';
import { runbookOf } from './runbook-of.ts';

/** How many runbooks are stored by one command. */
const AT_ONCE = 500;

/** Stores the runbooks of the lives, each once; their ids by instance. */
export async function pushRunbooks(
  cluster: TestCluster,
  folder: string,
  lives: readonly Life[],
): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  const files = new Map<string, string>();
  for (const life of lives) {
    const content = runbookOf(life);
    const hash = createHash('sha256').update(JSON.stringify(content)).digest('hex');
    const isChild = /-c1-\d+$/.test(life.instanceId);
    const id = isChild ? CHILD_RUNBOOK : `life-${hash.slice(0, 16)}`;
    ids.set(life.instanceId, id);
    if (files.has(id)) continue;
    const file = join(folder, `${id}.json`);
    files.set(id, file);
    await writeFile(file, JSON.stringify({ runbook: id, ...content }));
  }
  const all = [...files.values()];
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const some = all.slice(from, from + AT_ONCE);
    const pushed = await cluster.cli(['runbook', 'push', ...some, '--json']);
    if (pushed.code !== 0) throw new Error(`push failed: ${pushed.stderr.slice(-2_000)}`);
  }
  return ids;
}
