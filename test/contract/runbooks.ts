import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { TestCluster } from '../harness/replicas.ts';

/** Kills itself, so that its outcome is unknown. */
const LOST = { command: ['sh', '-c', 'kill -KILL $$'] };
export const TRUE = { command: ['true'] };

/** Posts to the path that the instance was started with. */
export const POST = { http: { method: 'POST', url: '${inputs.url}', body: { order: 7 } } };

/** One exec cell that posts to `inputs.url`. */
export const post = {
  runbook: 'post',
  version: 1,
  inputs: ['url'],
  cells: [{ id: 'call', exec: POST }],
};
/** Prose and two exec cells. */
export const two = {
  runbook: 'two',
  version: 1,
  inputs: [],
  cells: [
    { id: 'about', prose: 'Two steps.' },
    { id: 'first', exec: TRUE },
    { id: 'second', exec: TRUE },
  ],
};
/** Waits for the claim that `inputs.claim` names. */
export const gate = {
  runbook: 'gate',
  version: 1,
  inputs: ['claim'],
  cells: [
    { id: 'approved', await: { claim: '${inputs.claim}', statuses: ['approved', 'waived'] } },
    { id: 'after', exec: TRUE },
  ],
};
/** Is in doubt after its first attempt; another cell follows. */
export const doubt = {
  runbook: 'doubt',
  version: 1,
  inputs: [],
  cells: [
    { id: 'charge', exec: LOST },
    { id: 'after', exec: TRUE },
  ],
};
/** Halts. */
export const halt = {
  runbook: 'halt',
  version: 1,
  inputs: [],
  cells: [{ id: 'breaks', exec: { command: ['false'] } }],
};

/** Pushes runbooks with one run of the command line. */
export async function push(cluster: TestCluster, ...runbooks: object[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'leasehold-contract-'));
  try {
    const files = await Promise.all(
      runbooks.map(async (runbook, index) => {
        const file = join(folder, `${index}.json`);
        await writeFile(file, JSON.stringify(runbook));
        return file;
      }),
    );
    const pushed = await cluster.cli(['runbook', 'push', ...files, '--json']);
    if (pushed.code !== 0) throw new Error(`push failed: ${pushed.stdout}${pushed.stderr}`);
  } finally {
    await rm(folder, { recursive: true });
  }
}
