import { executionsTable, rowValues } from './baseline.ts';
import type { Baseline } from './baseline.ts';

const NEWEST = {
  name: 'reservation_newest',
  text: `select seq, cell_id from reservation_outcomes
    where instance_id = $1 order by seq desc limit 1`,
};
const RESERVE = {
  name: 'reserve',
  text: `insert into reservations (instance_id, step, owner, state)
    values ($1, $2, 'bench', 'reserved') on conflict do nothing`,
};
const FINISH = {
  name: 'reservation_finish',
  text: `with done as (
      update reservations set state = 'done', finished_at = clock_timestamp()
        where instance_id = $1 and step = $7 and state = 'reserved')
    insert into reservation_outcomes
      (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt,
       request_id, agent_id, body)
      values ($1, $2, 1, 'replica', $3, $4, 1, $5, 'bench', $6)`,
};

/**
 * A row per step that only one agent can insert: read the history to find the next step, commit the
 * reservation, make the effect, and commit the outcome together with the reservation's new state.
 */
export const reservation: Baseline = {
  schema: `${executionsTable('reservation_outcomes')};
    create table reservations (
      instance_id text not null,
      step int not null,
      owner text not null,
      state text not null,
      reserved_at timestamptz not null default clock_timestamp(),
      finished_at timestamptz,
      primary key (instance_id, step))`,
  agent(client, instanceId) {
    return async () => {
      const newest = await client.query<{ seq: string }>({ ...NEWEST, values: [instanceId] });
      const step = Number(newest.rows[0]?.seq ?? 0) + 1;
      const reserved = await client.query({ ...RESERVE, values: [instanceId, step] });
      if (reserved.rowCount !== 1)
        throw new Error(`step ${step} of ${instanceId} was reserved by another`);
      const [, , kind, cellId, requestId, body] = rowValues(instanceId, step * 2, 'completed');
      await client.query({
        ...FINISH,
        values: [instanceId, step, kind, cellId, requestId, body, step],
      });
    };
  },
};
