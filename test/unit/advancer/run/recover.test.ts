import { describe, expect, it } from 'vitest';

import { NO_REQUESTER, type InstanceLog } from '../../../../advancer/run/instance-log.ts';
import { Recovery, type Job, type NotDone } from '../../../../advancer/run/recover.ts';
import { over } from '../../../harness/controls.ts';
import { rows, type Line } from '../../src/execution/fixture.ts';
import { OTHER, stage, type Stage } from './fixture.ts';

const KEY = { idempotencyKey: 'i/a/1' };
const OPEN: Line = ['started', 'a', 1, {}, { replicaId: OTHER }];

/** A job that proposes an intent, and may be changed. */
function job(changed: Partial<Job<string>> = {}): Job<string> {
  return {
    requester: NO_REQUESTER,
    notDone: (why: NotDone) => (typeof why === 'object' ? `rejected: ${why.rejected}` : why),
    stillOpen: () => 'still open',
    work: (log) => {
      log.propose('started', 'a', 1, KEY, NO_REQUESTER);
      return Promise.resolve('done');
    },
    ...changed,
  };
}

function recoveryOf({ context, holding }: Stage): Recovery {
  return new Recovery(context, holding);
}

describe('a job', () => {
  it('is done on the log, and what it proposes is committed', async () => {
    const staged = stage();
    const recovery = recoveryOf(staged);
    expect(await recovery.recover(job())).toBe('done');
    expect(staged.scripted.rows).toMatchObject([{ kind: 'started' }]);
    expect(recovery.log?.view.state.lastSeq).toBe(1);
  });

  it('is not begun without trust: the log is not even read', async () => {
    const staged = stage();
    staged.holding.superseded = true;
    expect(await recoveryOf(staged).recover(job())).toBe('not_trusted');
    expect(staged.scripted.snapshots).toBe(0);
  });

  it('is not done where there is no instance', async () => {
    const { context, holding } = stage();
    const log = over(context.log, { snapshot: () => Promise.resolve(undefined) });
    expect(await new Recovery({ ...context, log }, holding).recover(job())).toBe('no_instance');
  });

  it('is not done under a later term, and the holding is dropped', async () => {
    const staged = stage();
    staged.scripted.rows = rows(['satisfied', 'a', 1, {}, { fencingToken: 11 }]);
    expect(await recoveryOf(staged).recover(job())).toBe('superseded');
    expect(staged.holding.superseded).toBe(true);
    expect(staged.scripted.entries).toEqual([]);
  });

  it('may be refused before anything is written', async () => {
    const staged = stage();
    staged.scripted.rows = rows(OPEN);
    const refused = job({ admit: () => 'refused' });
    expect(await recoveryOf(staged).recover(refused)).toBe('refused');
    expect(staged.scripted.entries).toEqual([]);
  });
});

describe('a log that has moved on', () => {
  it('is read again, and the job starts over', async () => {
    const staged = stage();
    staged.scripted.answers.push({ kind: 'conflict', detail: 'taken' });
    expect(await recoveryOf(staged).recover(job())).toBe('done');
    expect(staged.scripted.snapshots).toBe(2);
    expect(staged.scripted.rows).toHaveLength(1);
  });

  it('under a later term ends the job', async () => {
    const staged = stage();
    staged.scripted.answers.push({ kind: 'fenced', by: 11, detail: 'outbid' });
    expect(await recoveryOf(staged).recover(job())).toBe('not_trusted');
    expect(staged.scripted.snapshots).toBe(1);
  });

  it('is read again when the job says so', async () => {
    const staged = stage();
    const answers = ['read_again', 'read_again', 'done'];
    const work = () => Promise.resolve(answers.shift() ?? '');
    expect(await recoveryOf(staged).recover(job({ work }))).toBe('done');
    expect(staged.scripted.snapshots).toBe(3);
  });
});

describe('an attempt that another process left open', () => {
  const settling = job({
    work: (log) => Promise.resolve(log.view.state.doubt?.reason ?? 'no doubt'),
  });
  const leaving = (staged: Stage, gone: 'gone' | 'registered'): Recovery => {
    const leases = over(staged.context.leases, { confirmGone: () => Promise.resolve(gone) });
    const askPeer = () => Promise.resolve('silent' as const);
    return new Recovery({ ...staged.context, leases, askPeer }, staged.holding);
  };

  it('is closed before the job works, once that process is gone, and then committed', async () => {
    const staged = stage();
    staged.scripted.rows = rows(OPEN);
    expect(await leaving(staged, 'gone').recover(settling)).toBe('crash');
    expect(staged.scripted.rows).toMatchObject([{}, { kind: 'interrupted', fencingToken: 10 }]);
  });

  it('is left alone while that process is there', async () => {
    const staged = stage();
    staged.scripted.rows = rows(OPEN);
    expect(await leaving(staged, 'registered').recover(settling)).toBe('still open');
    expect(staged.scripted.entries).toEqual([]);
  });

  it('is closed with a report that nothing began stored first', async () => {
    const staged = stage();
    staged.scripted.rows = rows(OPEN);
    let lateBefore = 0;
    const { log: scripted } = staged.scripted;
    const log = over(staged.context.log, {
      append: (entry) => {
        lateBefore = staged.scripted.lateOutcomes.length;
        return scripted.append(entry);
      },
    });
    const context = {
      ...staged.context,
      log,
      askPeer: () => Promise.resolve('never_began' as const),
    };
    expect(await new Recovery(context, staged.holding).recover(settling)).toBe('crash');
    expect(lateBefore).toBe(1);
    expect(staged.scripted.lateOutcomes).toMatchObject([{ kind: 'not_started', replicaId: OTHER }]);
  });
});

describe('a job that throws', () => {
  const bug = new Error('a bug');
  const throwing = job({
    work(log: InstanceLog) {
      log.propose('started', 'a', 1, KEY, NO_REQUESTER);
      return Promise.reject(bug);
    },
  });

  it('has what it proposed committed: a known outcome is not lost', async () => {
    const staged = stage();
    await expect(recoveryOf(staged).recover(throwing)).rejects.toBe(bug);
    expect(staged.scripted.rows).toHaveLength(1);
  });

  it('leaves a log that is read again', async () => {
    const staged = stage();
    const recovery = recoveryOf(staged);
    await expect(recovery.recover(throwing)).rejects.toBe(bug);
    expect(recovery.log).toBeUndefined();
  });
});

describe('the log', () => {
  const looking = job({ work: (log) => Promise.resolve(String(log.view.state.lastSeq)) });

  it('is read once, and kept while it is true', async () => {
    const staged = stage();
    const recovery = recoveryOf(staged);
    const satisfying = job({
      work(log) {
        log.propose('satisfied', 'a', 1, {}, NO_REQUESTER);
        return Promise.resolve('done');
      },
    });
    await recovery.recover(satisfying);
    expect(await recovery.recover(looking)).toBe('1');
    expect(staged.scripted.snapshots).toBe(1);
  });

  it('that was offered saves the first read, and only that', async () => {
    const staged = stage();
    const recovery = recoveryOf(staged);
    recovery.offer(await staged.scripted.log.snapshot('i'));
    expect(await recovery.recover(looking)).toBe('0');
    expect(staged.scripted.snapshots).toBe(1);
    recovery.forget();
    await recovery.recover(looking);
    expect(staged.scripted.snapshots).toBe(2);
  });

  it('of a completed instance is forgotten if it is short', async () => {
    const staged = stage();
    staged.scripted.rows = rows(['satisfied', 'a', 1], ['satisfied', 'b', 1]);
    const recovery = recoveryOf(staged);
    await recovery.recover(looking);
    recovery.forgetIfEnded();
    expect(recovery.log).toBeUndefined();
  });

  it('of a cancelled instance is forgotten as well', async () => {
    const staged = stage();
    staged.scripted.rows = rows(['satisfied', 'a', 1], ['cancelled', 'a', 1, { by: 'ann' }]);
    const recovery = recoveryOf(staged);
    await recovery.recover(looking);
    recovery.forgetIfEnded();
    expect(recovery.log).toBeUndefined();
  });

  it('of an instance that goes on is kept', async () => {
    const staged = stage();
    staged.scripted.rows = rows(['satisfied', 'a', 1]);
    const recovery = recoveryOf(staged);
    await recovery.recover(looking);
    recovery.forgetIfEnded();
    expect(recovery.log?.view.state.lastSeq).toBe(1);
  });
});
