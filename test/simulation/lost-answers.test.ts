import { describe, expect, test } from 'vitest';

import type { AppendEntry, Log } from '../../advancer/log/log.ts';
import type { NewRow } from '../../src/execution/row.ts';
import type { SimProcess } from './world.ts';
import { AGAIN, HELD, isIntent, Scene } from './scene.ts';

describe('an append whose answer was lost', () => {
  test('that reads back as absent is sent again as the same row, never renumbered', async () => {
    const sent: AppendEntry[] = [];
    const scene = new Scene([HELD], {
      log: (log): Log => ({
        ...log,
        append(entry) {
          sent.push(structuredClone(entry));
          // The first two sends of each entry are lost on their way.
          const sends = sent.filter(({ rows }) => rows[0]?.seq === entry.rows[0]?.seq).length;
          if (sends <= 2) return Promise.resolve({ kind: 'unknown', cause: new Error('lost') });
          return log.append(entry);
        },
      }),
    });
    await scene.held();
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
    expect(sent).toHaveLength(6);
    for (const at of [0, 3]) {
      expect(sent[at + 1]).toEqual(sent[at]);
      expect(sent[at + 2]).toEqual(sent[at]);
    }
    expect(scene.log).toEqual(['started charge 1', 'completed charge 1']);
    expect(scene.ran).toHaveLength(1);
  });

  test('for so long that the request is answered unavailable runs nothing for it, even if the intent was written after all', async () => {
    let slow = true;
    const scene: Scene = new Scene([AGAIN, { ...AGAIN, id: 'next' }], {
      log: (log): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          return slow ? { kind: 'unknown', cause: new Error('the answer was lost') } : outcome;
        },
      }),
    });
    await scene.held();
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('unavailable');
    slow = false;
    await scene.pass(5_000);
    expect(scene.ran).toHaveLength(0);
    expect(scene.log).toEqual([
      'started charge 1',
      'interrupted charge 1 not_started',
      'decided charge 1 rerun by @policy',
    ]);
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.ran.map(({ cellId, attempt }) => `${cellId} ${attempt}`)).toEqual([
      'charge 2',
      'next 1',
    ]);
  });

  test('a started that reads back as present and newest is run, once', async () => {
    let lost = 0;
    const scene = new Scene([HELD], {
      log: (log): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          if (!isIntent(entry) || lost > 0) return outcome;
          lost += 1;
          return { kind: 'unknown', cause: new Error('the answer was lost') };
        },
      }),
    });
    await scene.held();
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
    expect(lost).toBe(1);
    expect(scene.log).toEqual(['started charge 1', 'completed charge 1']);
    expect(scene.ran).toHaveLength(1);
  });

  test('a started that reads back as present is run only if nothing follows it', async () => {
    let victim: SimProcess | undefined;
    const scene: Scene = new Scene([AGAIN], {
      log: (log, process): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          if (!isIntent(entry) || victim !== undefined) return outcome;
          victim = process;
          scene.cluster.network.setCut(process, 'postgres', true);
          return { kind: 'unknown', cause: new Error('the answer was lost') };
        },
      }),
    });
    const holder = await scene.held();
    const receipt = await scene.result(scene.advance('q1'));
    expect(victim).toBe(holder.process);
    // The request is answered by others, or as unavailable while the intent is unknown; nothing of
    // attempt 1 ran.
    expect(['unavailable', 'completed']).toContain(receipt.outcome);
    await scene.until(
      'the end of its session',
      () => holder.replica.leases.holding('i') === undefined,
    );
    const again = await scene.result(scene.advance('q1'));
    expect(again.outcome).toBe('completed');
    const story = [...scene.log];
    expect(story.slice(0, 4)).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 rerun by @late-outcome',
      'started charge 2',
    ]);
    // Its own send is answered now: the row was written, and others have gone on.
    scene.cut(holder, 'postgres', false);
    await scene.until(
      'the release of the attempt',
      () => holder.replica.attempts.all().length === 0,
    );
    await scene.pass(5_000);
    expect(scene.ran.map(({ attempt }) => attempt)).toEqual([2]);
    expect(scene.log).toEqual(story);
  });

  test('whose effect cannot have begun leaves no doubt: its process says so, and another runs the cell', async () => {
    let cutAtMs: number | undefined;
    const scene: Scene = new Scene([HELD], {
      log: (log, process): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          if (!isIntent(entry) || cutAtMs !== undefined) return outcome;
          // It is written, and its process cannot learn that.
          cutAtMs = scene.cluster.world.nowMs;
          scene.cluster.network.setCut(process, 'postgres', true);
          return log.append(entry);
        },
      }),
    });
    const holder = await scene.held();
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('unavailable');
    await scene.pass(50);
    const again = await scene.result(scene.advance('q1'));
    expect(again.outcome).toBe('completed');
    expect(again.holder?.replicaId).not.toBe(holder.replicaId);
    // A second until the other replica looks, half a second until it knows.
    expect(scene.cluster.world.nowMs - (cutAtMs ?? 0)).toBeLessThan(2_000);
    expect(scene.log).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 rerun by @late-outcome',
      'started charge 2',
      'completed charge 2',
    ]);
    expect(scene.cluster.postgres.lateOutcomes).toMatchObject([
      { kind: 'not_started', replicaId: holder.replicaId },
    ]);
    scene.cut(holder, 'postgres', false);
    await scene.pass(5_000);
    expect(scene.ran.map(({ attempt }) => attempt)).toEqual([2]);
  });

  test('a started that reads back as present with a row after it is not run, however trusted the holding', async () => {
    let lost = false;
    const scene: Scene = new Scene([AGAIN], {
      log: (log): Log => ({
        ...log,
        async append(entry) {
          const outcome = await log.append(entry);
          const [intent] = entry.rows;
          if (!isIntent(entry) || intent === undefined || lost) return outcome;
          lost = true;
          const closing: NewRow = {
            ...intent,
            seq: intent.seq + 1,
            kind: 'interrupted',
            body: { reason: 'crash' },
          };
          scene.cluster.postgres.append({ ...entry, rows: [closing] });
          return { kind: 'unknown', cause: new Error('the answer was lost') };
        },
      }),
    });
    await scene.held();
    expect((await scene.result(scene.advance('q1'))).outcome).toBe('completed');
    expect(scene.log).toEqual([
      'started charge 1',
      'interrupted charge 1 crash',
      'decided charge 1 rerun by @policy',
      'started charge 2',
      'completed charge 2',
    ]);
    expect(scene.ran.map(({ attempt }) => attempt)).toEqual([2]);
  });
});
