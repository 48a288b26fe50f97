import { executionsTable, insertRow, rowValues } from './baseline.ts';
import type { Baseline } from './baseline.ts';

const INSERT = { name: 'floor_insert', text: insertRow('floor_executions') };

/**
 * The least that any log of intents and outcomes costs: commit the intent, then commit the outcome.
 * No guard, no lock, no receipt, and no check of which process may write.
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
