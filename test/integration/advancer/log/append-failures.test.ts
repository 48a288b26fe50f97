import { describe, expect, it, onTestFinished } from 'vitest';

import { LogUnavailable } from '../../../../advancer/log/log.ts';
import { lossyProxy } from '../../../harness/lossy-proxy.ts';
import {
  appendUntilDefinite,
  connect,
  databaseOfFile,
  entryOf,
  freshId,
  log,
  newReceipt,
  newRow,
  openRival,
  waitForBlocked,
} from './fixture.ts';

const database = databaseOfFile();
/** Its statements are cancelled soon. */
const impatient = databaseOfFile(450);

describe('unknown', () => {
  it('is the answer while another transaction holds the key; sending again, once it has rolled back, appends', async () => {
    const replica = log(impatient, { appendTimeoutMs: 600 });
    const instanceId = freshId();
    const entry = entryOf([newRow(instanceId, 1, 'started')]);
    const rival = await openRival(impatient.ownerUrl, instanceId);
    const outcome = await replica.append(entry);
    expect(outcome.kind).toBe('unknown');
    await rival.query('rollback');
    expect((await appendUntilDefinite(replica, entry)).kind).toBe('appended');
  });

  it('becomes conflict when the other transaction commits', async () => {
    const replica = log(impatient, { appendTimeoutMs: 600 });
    const instanceId = freshId();
    const entry = entryOf([newRow(instanceId, 1, 'started')]);
    const rival = await openRival(impatient.ownerUrl, instanceId);
    expect((await replica.append(entry)).kind).toBe('unknown');
    await rival.query('commit');
    expect((await appendUntilDefinite(replica, entry)).kind).toBe('conflict');
  });

  it('is the answer when the backend is terminated during the append', async () => {
    const replica = log(database, { replicaId: 'terminated' });
    const superuser = await connect(database.superuserUrl);
    const instanceId = freshId();
    const entry = entryOf([newRow(instanceId, 1, 'started')]);
    const rival = await openRival(database.appUrl, instanceId);
    const outcome = replica.append(entry);
    await waitForBlocked(superuser);
    await superuser.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'leasehold-terminated'`,
    );
    expect((await outcome).kind).toBe('unknown');
    await rival.query('rollback');
    expect((await appendUntilDefinite(replica, entry)).kind).toBe('appended');
  });

  it('is the answer when the commit’s response is lost; sending again finds the row', async () => {
    const direct = new URL(database.appUrl);
    const proxy = await lossyProxy(direct.hostname, Number(direct.port));
    onTestFinished(() => proxy.close());
    const through = new URL(database.appUrl);
    through.port = String(proxy.port);
    const replica = log(database, { url: through.href });
    const watcher = log(database);
    const instanceId = freshId();
    await replica.check();
    await replica.append(entryOf([newRow(freshId(), 1, 'started')]));
    const entry = entryOf([newRow(instanceId, 1, 'started')]);
    proxy.loseAnswers();
    expect((await replica.append(entry)).kind).toBe('unknown');
    expect(await watcher.rowsAfter(instanceId, 0)).toHaveLength(1);
    proxy.heal();
    expect((await appendUntilDefinite(replica, entry)).kind).toBe('already_recorded');
  });

  it('is the answer when nothing listens on the port; reads throw LogUnavailable', async () => {
    const nowhere = new URL(database.appUrl);
    nowhere.port = '1';
    const replica = log(database, { url: nowhere.href });
    const outcome = await replica.append(entryOf([newRow(freshId(), 1, 'started')]));
    expect(outcome).toMatchObject({ kind: 'unknown', cause: expect.any(LogUnavailable) });
    await expect(replica.snapshot('x')).rejects.toThrow(LogUnavailable);
    await expect(replica.check()).rejects.toThrow(/Postgres does not answer/);
  });
});

describe('a bug throws instead of returning an outcome', () => {
  it('a row that breaks the order of kinds, when no other write explains it', async () => {
    const replica = log(database);
    const instanceId = freshId();
    await replica.append(entryOf([newRow(instanceId, 1, 'started')]));
    await expect(
      replica.append(entryOf([newRow(instanceId, 2, 'satisfied', { cellId: 'b' })])),
    ).rejects.toThrow(/LH003 at seq 2/);
    await expect(replica.append(entryOf([newRow(instanceId, 5, 'completed')]))).rejects.toThrow(
      /LH001/,
    );
  });

  it('a row after the cancellation that its own author has read', async () => {
    const replica = log(database);
    const instanceId = freshId();
    await replica.append(entryOf([newRow(instanceId, 1, 'cancelled')]));
    await expect(
      replica.append(entryOf([newRow(instanceId, 2, 'started', { cellId: 'b' })])),
    ).rejects.toThrow(/LH007 at seq 2/);
  });

  it('an entry whose later row breaks the order, and none of it is recorded', async () => {
    const replica = log(database);
    const instanceId = freshId();
    const rows = [newRow(instanceId, 1, 'satisfied'), newRow(instanceId, 2, 'completed')];
    await expect(replica.append(entryOf(rows))).rejects.toThrow(/LH003 at seq 2/);
    expect(await replica.rowsAfter(instanceId, 0)).toEqual([]);
  });

  it('an inconsistent entry', async () => {
    const replica = log(database);
    const row = newRow(freshId(), 1, 'started');
    await expect(replica.append(entryOf([row], { fencingToken: 99 }))).rejects.toThrow(
      /another term/,
    );
    await expect(replica.append(entryOf([row, row]))).rejects.toThrow(
      /does not follow the row before it/,
    );
    await expect(replica.append(entryOf([row], { instanceId: 'other' }))).rejects.toThrow(
      /belongs to/,
    );
    await expect(replica.append(entryOf([]))).rejects.toThrow(/neither/);
    const receipt = {
      requestId: 'q',
      agentId: null,
      lastSeq: 3,
      receipt: newReceipt('q', row.instanceId),
    };
    await expect(replica.append(entryOf([row], { receipt }))).rejects.toThrow(/rests on seq 3/);
  });
});
