import { describe, expect, it } from 'vitest';

import { receiptOf } from '../../../../advancer/run/receipts.ts';
import { ME, read, stage, type Stage } from './fixture.ts';

const REQUESTER = { requestId: 'q1', agentId: 'agent' };
const KEY = { idempotencyKey: 'i/a/1' };

async function withIntent(): Promise<Stage & { log: Awaited<ReturnType<typeof read>> }> {
  const staged = stage();
  const log = await read(staged);
  log.propose('started', 'a', 1, KEY, REQUESTER);
  return { ...staged, log };
}

describe('a proposed row', () => {
  it('counts for the state at once, and for the log only when it is committed', async () => {
    const { log, scripted } = await withIntent();
    expect(log.view.state.open).toMatchObject({ cellId: 'a', fencingToken: 10, replicaId: ME });
    expect(log.dirty).toBe(true);
    expect(log.committedSteps('q1')).toEqual([]);
    expect(scripted.entries).toEqual([]);
    expect(await log.commit()).toEqual({ kind: 'committed', resent: false });
    expect(log.dirty).toBe(false);
    expect(log.committedSteps('q1')).toMatchObject([{ seq: 1, kind: 'started' }]);
    expect(scripted.rows).toMatchObject([{ seq: 1, kind: 'started', requestId: 'q1', body: KEY }]);
  });

  it('goes into one append with those before it, and with the receipt', async () => {
    const { context, log, scripted } = await withIntent();
    log.propose('completed', 'a', 1, { output: 1 }, REQUESTER);
    const receipt = receiptOf(context, log, { instanceId: 'i', requestId: 'q1' }, 'advanced', {});
    await log.commit({ receipt, agentId: 'me' });
    expect(scripted.entries).toMatchObject([
      {
        fencingToken: 10,
        rows: [{ seq: 1 }, { seq: 2 }],
        receipt: { requestId: 'q1', agentId: 'me', lastSeq: 2 },
        projection: { status: 'ready', nextCellId: 'b' },
      },
    ]);
    // The receipt answers for the request from now on.
    expect(log.view.state.stepsByRequest.has('q1')).toBe(false);
  });

  it('has this replica’s time until the database’s takes its place', async () => {
    const { clock, log } = await withIntent();
    expect(log.view.state.open?.since).toBe(new Date(clock.wallMs()).toISOString());
    await log.commit();
    expect(log.view.state.open?.since).toBe('2030-01-31T12:00:00.000Z');
    expect(log.view.state.last?.recordedAt).toBe('2030-01-31T12:00:00.000Z');
  });
});

describe('a commit', () => {
  it('of nothing sends nothing', async () => {
    const staged = stage();
    const log = await read(staged);
    expect(await log.commit()).toEqual({ kind: 'committed', resent: false });
    expect(staged.scripted.entries).toEqual([]);
  });

  it('says that an earlier send had committed', async () => {
    const { log, scripted } = await withIntent();
    const row = { ...log.view.state.last! };
    scripted.answers.push({ kind: 'already_recorded', rows: [row] });
    expect(await log.commit()).toEqual({ kind: 'committed', resent: true });
    expect(log.diverged).toBe(false);
  });

  it('sends the same entry again until the answer is definite', async () => {
    const { clock, log, scripted } = await withIntent();
    const cause = new Error('no answer');
    scripted.answers.push({ kind: 'unknown', cause }, { kind: 'unknown', cause });
    const commit = log.commit();
    await clock.advance(200);
    expect(await commit).toMatchObject({ kind: 'committed' });
    expect(scripted.entries).toHaveLength(3);
    expect(new Set(scripted.entries).size).toBe(1);
  });

  it('that meets another row is a conflict: the log has diverged, and the row is kept as evidence', async () => {
    const { holding, log, scripted } = await withIntent();
    scripted.answers.push({ kind: 'conflict', detail: 'taken' });
    expect(await log.commit()).toEqual({ kind: 'conflict' });
    expect(log.diverged).toBe(true);
    expect(holding.superseded).toBe(false);
    expect(scripted.refusals).toMatchObject([{ seq: 1, kind: 'started', reason: 'taken' }]);
  });

  it('that meets a higher token leaves the instance to its new holder, and drops the holding at once', async () => {
    const { holding, log, scripted } = await withIntent();
    scripted.answers.push({ kind: 'fenced', by: 11, detail: 'outbid' });
    expect(await log.commit()).toEqual({ kind: 'handed_on' });
    expect(holding.superseded).toBe(true);
    expect(log.diverged).toBe(true);
    expect(scripted.refusals).toMatchObject([{ reason: 'outbid' }]);
  });

  it('for a request that has its receipt answers with that receipt', async () => {
    const { context, log, scripted } = await withIntent();
    const receipt = receiptOf(context, log, { instanceId: 'i', requestId: 'q1' }, 'advanced', {});
    scripted.answers.push({ kind: 'receipted', receipt });
    expect(await log.commit()).toEqual({ kind: 'receipted', receipt });
    expect(log.diverged).toBe(true);
  });

  it('keeps the attempt in hand until its closing row is definite, and its evidence is stored', async () => {
    const { context, clock, log, scripted } = await withIntent();
    const attempt = context.attempts.take('i', 'a', 1, 10)!;
    await log.commit();
    log.closes(attempt);
    log.propose('completed', 'a', 1, { output: 1 }, REQUESTER);
    scripted.answers.push(
      { kind: 'unknown', cause: 'lost' },
      { kind: 'conflict', detail: 'taken' },
    );
    const commit = log.commit();
    await clock.advance(10);
    expect(context.attempts.get('i', 'a', 1)).toBe(attempt);
    await clock.advance(100);
    expect(await commit).toEqual({ kind: 'conflict' });
    expect(scripted.lateOutcomes).toMatchObject([{ kind: 'completed' }]);
    expect(context.attempts.get('i', 'a', 1)).toBeUndefined();
  });
});

describe('the line of the projection', () => {
  it('is written with the first intent, and waits for the next', async () => {
    const { log, scripted } = await withIntent();
    await log.commit();
    log.propose('completed', 'a', 1, {}, REQUESTER);
    log.propose('started', 'b', 1, { idempotencyKey: 'i/b/1' }, REQUESTER);
    await log.commit();
    expect(scripted.entries.map(({ projection }) => projection)).toEqual([
      { status: 'running', nextCellId: 'a' },
      undefined,
    ]);
    expect(log.lateLine(Number.POSITIVE_INFINITY)).toEqual({
      instanceId: 'i',
      lastSeq: 3,
      projection: { status: 'running', nextCellId: 'b' },
    });
    expect(log.lateLine(Number.POSITIVE_INFINITY)).toBeUndefined();
  });

  it('of a log that has diverged is not written: another replica writes it', async () => {
    const { log, scripted } = await withIntent();
    scripted.answers.push({ kind: 'conflict', detail: 'taken' });
    await log.commit();
    expect(log.lateLine(Number.POSITIVE_INFINITY)).toBeUndefined();
  });

  it('waits while an append is under way, which may be refused', async () => {
    const { clock, log, scripted } = await withIntent();
    await log.commit();
    log.propose('completed', 'a', 1, {}, REQUESTER);
    log.propose('started', 'b', 1, { idempotencyKey: 'i/b/1' }, REQUESTER);
    await log.commit();
    log.propose('interrupted', 'b', 1, { reason: 'not_started' }, REQUESTER);
    log.propose('decided', 'b', 1, { as: 'rerun', by: '@policy' }, REQUESTER);
    log.propose('started', 'b', 2, { idempotencyKey: 'i/b/1' }, REQUESTER);
    scripted.answers.push({ kind: 'unknown', cause: 'lost' });
    const commit = log.commit();
    await clock.advance(1);
    expect(log.lateLine(Number.POSITIVE_INFINITY)).toBe('later');
    await clock.advance(60);
    await commit;
    expect(log.lateLine(Number.POSITIVE_INFINITY)).toMatchObject({ lastSeq: 6 });
  });
});
