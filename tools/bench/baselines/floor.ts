import { executionsTable, insertRow, rowValues } from './baseline.ts';
import type { Baseline } from './baseline.ts';

const INSERT = { name: 'floor_insert', text: insertRow('floor_executions') };

/**
 * What any log of intents and outcomes costs at least: the intent committed, then the outcome
 * committed. No guard, no lock, no receipt, and nobody finds out who may write.
 */
export const floor: Baseline = {
  schema: executionsTable('floor_executions'),
  agent(client, instanceId) {
    let seq = 0;
    return async () => {
      await client.query({ ...INSERT, values: rowValues(instanceId, seq + 1, 'started') });
      await client.query({ ...INSERT, values: rowValues(instanceId, seq + 2, 'completed') });
      seq += 2;
    };
  },
};
