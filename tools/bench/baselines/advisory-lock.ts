import { executionsTable, insertRow, rowValues } from './baseline.ts';
import type { Baseline } from './baseline.ts';

const LOCK = { name: 'lock', text: 'select pg_advisory_lock(hashtextextended($1, 0))' };
const UNLOCK = { name: 'unlock', text: 'select pg_advisory_unlock(hashtextextended($1, 0))' };
const NEWEST = {
  name: 'lock_newest',
  text: `select seq, kind, cell_id from lock_executions
    where instance_id = $1 order by seq desc limit 1`,
};
const INSERT = { name: 'lock_insert', text: insertRow('lock_executions') };

/**
 * A session-level advisory lock around each step, as it is commonly written. Statements are
 * pipelined wherever one does not need the result of the one before: lock and history, then the
 * intent, then outcome and unlock.
 */
export const advisoryLock: Baseline = {
  schema: executionsTable('lock_executions'),
  agent(client, instanceId) {
    return async () => {
      const locked = client.query({ ...LOCK, values: [instanceId] });
      // A separate statement, so that its snapshot is taken after the lock is granted.
      const newest = client.query<{ seq: string }>({ ...NEWEST, values: [instanceId] });
      const [, { rows }] = await Promise.all([locked, newest]);
      const seq = Number(rows[0]?.seq ?? 0);
      await client.query({ ...INSERT, values: rowValues(instanceId, seq + 1, 'started') });
      const completed = client.query({
        ...INSERT,
        values: rowValues(instanceId, seq + 2, 'completed'),
      });
      const unlocked = client.query({ ...UNLOCK, values: [instanceId] });
      await Promise.all([completed, unlocked]);
    };
  },
};
