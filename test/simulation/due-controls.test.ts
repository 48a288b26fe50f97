import { describe, expect, test } from 'vitest';

import type { Log, Projection } from '../../advancer/log/log.ts';
import type { Rest } from '../../advancer/log/due.ts';
import { over } from '../harness/controls.ts';
import { firstBreach, onlyFault, whatBroke } from './breach-search.ts';
import type { Cluster } from './cluster.ts';
import { runSeed, type RunOptions } from './run.ts';
import type { DueRules } from './sim-due.ts';

/*
 * Negative controls of due work: one rule at a time is switched off, in the database or on the way
 * to it, and an instance that nobody advances is never brought back.
 */

/** Once nothing is broken any more, everything is done within less. */
const END_WITHIN_MS = 60_000;

function without(rule: keyof DueRules): RunOptions {
  return {
    endWithinMs: END_WITHIN_MS,
    prepare: ({ postgres }: Cluster) => void (postgres.due.rules[rule] = false),
  };
}

/** A log whose lines of unattended instances are changed on their way. */
function resting(change: (rest: Rest) => Rest | undefined): RunOptions {
  const changed = <T extends Projection | undefined>(line: T): T =>
    line?.rest === undefined || line.rest === 'ended' ? line : { ...line, rest: change(line.rest) };
  return {
    endWithinMs: END_WITHIN_MS,
    log: (log: Log) =>
      over(log, {
        append: (entry) => log.append({ ...entry, projection: changed(entry.projection) }),
        project: (lines) =>
          log.project(lines.map((line) => ({ ...line, projection: changed(line.projection) }))),
        due: over(log.due, {
          put: (lines) =>
            log.due.put(
              lines.flatMap((line) => {
                const rest = line.rest === 'ended' ? line.rest : change(line.rest);
                return rest === undefined ? [] : [{ ...line, rest }];
              }),
            ),
        }),
      }),
  };
}

describe('negative controls: what brings an unattended instance back is lost', () => {
  const lost = /never lost/;

  test('when a claim is not noted in its own transaction', async () => {
    const found = await firstBreach('noted claims', 10, () => without('notesClaims'), lost);
    expect(whatBroke(found)).toMatch(/never lost: u\d could go on with await/);
  });

  test('when the claim is not read once more under its lock', async () => {
    // The claim is made after it was read, and before the line is there.
    const options = (seed: number): RunOptions => {
      const { prepare, ...rest } = without('rereadsClaims');
      let postgres: Cluster['postgres'] | undefined;
      return {
        ...rest,
        ...onlyFault(seed, () => ({ fault: 'jump', victim: 0, skewMs: 0 })),
        prepare: (cluster) => {
          postgres = cluster.postgres;
          prepare?.(cluster);
        },
        log: (log) =>
          over(log, {
            claimStatus: async (claimId) => {
              const claim = await log.claimStatus(claimId);
              if (claim === undefined && postgres?.claims.has(claimId) === false) {
                const made = { claimId, revision: 1, status: 'open', agentId: 'agent' };
                postgres.addClaim({ ...made, evidence: null, recordedAt: postgres.now() });
              }
              return claim;
            },
          }),
      };
    };
    const found = await firstBreach('the second look', 10, options, lost);
    expect(whatBroke(found)).toMatch(/never lost: u\d could go on with await/);
  });

  test('when the end of a child is not noted for its parent', async () => {
    const found = await firstBreach('noted ends', 20, () => without('notesChildren'), lost);
    expect(whatBroke(found)).toMatch(/never lost: u\d could go on with run/);
  });

  test('when a line does not say when its time comes', async () => {
    const options = resting(({ claim, at }) =>
      at !== undefined && 'iso' in at ? { claim } : { claim, at },
    );
    const found = await firstBreach('times', 10, () => options, lost);
    expect(whatBroke(found)).toMatch(/never lost: u\d could go on with (wait|await)/);
  });

  test('when the line is not written with the row that leaves the instance at rest', async () => {
    const options = resting((rest) => (rest.claim === undefined ? rest : undefined));
    const found = await firstBreach('lines in the same commit', 20, () => options, lost);
    expect(whatBroke(found)).toMatch(/never lost: u\d could go on/);
  });

  test('when an instance that a crash has left between two cells is given no time', async () => {
    const options = resting((rest) =>
      rest.at !== undefined && 'afterMs' in rest.at ? { claim: rest.claim } : rest,
    );
    const found = await firstBreach('ready lines', 40, () => options, lost);
    expect(whatBroke(found)).toMatch(/never lost: \S+ could go on/);
  });

  test('when a note is forgotten as soon as it is read', async () => {
    const options: RunOptions = {
      endWithinMs: END_WITHIN_MS,
      log: (log) =>
        over(log, {
          due: over(log.due, {
            async find(limit) {
              const found = await log.due.find(limit);
              await log.due.forget(found.wakes.map(({ wakeId }) => wakeId));
              return found;
            },
          }),
        }),
    };
    const found = await firstBreach('notes outlive who reads them', 60, () => options, lost);
    expect(whatBroke(found)).toMatch(/never lost/);
  });

  test('with every rule in force, the same runs lose nothing', async () => {
    for (let seed = 1; seed <= 10; seed += 1)
      expect((await runSeed(seed)).breaches, `seed ${seed}`).toEqual([]);
  });

  test('and the last resort finds what a lost note leaves', async () => {
    const options = without('notesClaims');
    const prepare = (cluster: Cluster): void => {
      options.prepare?.(cluster);
      cluster.postgres.due.rules.rechecks = true;
    };
    for (let seed = 1; seed <= 10; seed += 1)
      expect((await runSeed(seed, { prepare })).breaches, `seed ${seed}`).toEqual([]);
  });
});
