import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { watchMachine } from '../harness/busy.ts';
import { TestCluster } from '../harness/replicas.ts';
import type { ReceiptReply } from '../harness/replies.ts';

const HANDLERS = `export default {
  quick: () => ({ done: true }),
};`;

describe('a replica that gets SIGTERM', () => {
  let folder: string;
  let cluster: TestCluster | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'leasehold-drain-'));
  });
  afterEach(async () => {
    await cluster?.stop();
    cluster = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  it('is replaced promptly, also in a burst, for instances that it held without an open attempt', async (context) => {
    const machine = await watchMachine();
    const handlers = join(folder, 'handlers.mjs');
    await writeFile(handlers, HANDLERS);
    const names = ['a', 'b', 'c', 'd', 'e'];
    cluster = await TestCluster.start({
      replicas: names.length,
      env: { LEASEHOLD_HANDLERS: handlers },
    });
    await cluster.pushRunbook({
      runbook: 'quick',
      version: 1,
      cells: Array.from({ length: 40 }, (_, nth) => ({
        id: `c${nth}`,
        exec: { handler: 'quick' },
      })),
    });
    const { nats } = cluster;
    const subjectOf = (id: string): string => cluster?.subject('advance', id) ?? '';
    const holders = new Map<string, string>();
    /** Requests that had to be sent again because nobody answered within their time. */
    let repeated = 0;
    /**
     * Advances all instances by one cell at once: how long each took, and which replica served it.
     */
    const burst = async (ids: readonly string[], name: string, beganMs = performance.now()) => {
      return Promise.all(
        ids.map(async (id) => {
          const body = JSON.stringify({
            requestId: `${id}-${name}`,
            agentId: 'tester',
            maxCells: 1,
          });
          let receipt: ReceiptReply | undefined;
          do {
            receipt = await nats.request(subjectOf(id), body, { timeout: 30_000 }).then(
              (message) => message.json<ReceiptReply>(),
              () => undefined,
            );
            if (receipt === undefined) repeated += 1;
            // A holder that was too busy to answer pings may be replaced while it answers; its
            // successor may then still be running the request before this one. Both answers are
            // refusals, and the time is still running.
          } while (
            receipt === undefined ||
            receipt.outcome === 'unavailable' ||
            receipt.outcome === 'in_flight'
          );
          const tookMs = performance.now() - beganMs;
          expect(receipt.outcome).toBe('advanced');
          const replicaId = receipt.holder?.replicaId ?? '';
          holders.set(id, replicaId);
          return { replicaId, tookMs };
        }),
      );
    };
    const ids = Array.from({ length: 500 }, (_, nth) => `quick${nth}`);
    await inParallel(ids, 30, async (id) => {
      await cluster?.start(id, 'quick');
      await burst([id], 'first');
    });
    const leftMs: number[] = [];
    const usualMs: number[] = [];
    for (const name of names.slice(0, -2)) {
      const leaving = cluster.replica(name);
      const held = ids.filter((id) => holders.get(id) === leaving.replicaId);
      const sample = held.slice(0, 40);
      // The same instances and requests while no replica leaves: the time that this machine needs
      // at the moment.
      usualMs.push(...(await burst(sample, `before-${name}`)).map(({ tookMs }) => tookMs));
      const signalledMs = performance.now();
      leaving.terminate();
      // Before it has noticed the signal it would serve them all.
      await leaving.logged(/"msg":"stopping"/);
      const answers = await burst(sample, `after-${name}`, signalledMs);
      const elsewhere = answers.filter(({ replicaId }) => replicaId !== leaving.replicaId);
      leftMs.push(...elsewhere.map(({ tookMs }) => tookMs));
      expect(await leaving.exited).toEqual({ code: 0, signal: null });
      // The other instances that it held are served at once too, because it released them.
      await inParallel(held, 10, async (id) => void (await burst([id], `settled-${name}`)));
    }
    process.stderr.write(
      `SIGTERM to the first receipt elsewhere: ${summary(leftMs)}; without a SIGTERM: ${summary(usualMs)}\n`,
    );
    machine.skipIfBusy(context);
    expect(repeated).toBe(0);
    expect(leftMs.length).toBeGreaterThan(50);
    // The goal is 100 ms. On a machine that is busy with something else, forty at once take longer
    // with and without a SIGTERM, so the assertion allows for that.
    expect(quantile(leftMs, 0.99)).toBeLessThan(100 + 3 * quantile(usualMs, 0.99));
  });
});

async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = [...items];
  await Promise.all(
    Array.from({ length: width }, async () => {
      for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item);
    }),
  );
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
}

function summary(values: readonly number[]): string {
  const at = (share: number): string => `${Math.round(quantile(values, share))} ms`;
  return `median ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} (${values.length} requests)`;
}
