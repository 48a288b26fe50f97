import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { storableJson, type Json } from '../../../../src/json.ts';
import { parseJsonText } from '../../../../src/json-text.ts';
import { jsonText, sameValue } from '../../../harness/number-texts.ts';
import {
  RUNBOOK,
  connect,
  databaseOfFile,
  entryOf,
  freshId,
  insertRow,
  log,
  newInstance,
  newRow,
} from './fixture.ts';

const database = databaseOfFile();

describe('what is stored comes out as it went in', () => {
  it('in inputs, outputs, late outcomes and claims, with numbers of all kinds', async () => {
    const replica = log(database);
    await replica.pushRunbook(RUNBOOK);
    // As outputs and messages reach the log: storable, and without -0.
    const value = jsonText.map(({ text }) => {
      const { value: parsed } = parseJsonText(text);
      return JSON.parse(JSON.stringify(storableJson(parsed))) as Json;
    });
    await fc.assert(
      fc.asyncProperty(value, async (x) => {
        const instance = newInstance({ inputs: { x } });
        const { instanceId } = instance;
        const { instance: started } = await replica.startInstance(instance);
        expect(started.inputs).toStrictEqual({ x });
        const body = { output: x, detail: { numbersAsText: [''] } };
        const rows = [
          newRow(instanceId, 1, 'started', { body: { idempotencyKey: `${instanceId}/a/1` } }),
          newRow(instanceId, 2, 'completed', { body }),
        ];
        expect(await replica.append(entryOf(rows))).toMatchObject({ kind: 'appended' });
        const snapshot = await replica.snapshot(instanceId);
        expect(snapshot?.instance.inputs).toStrictEqual({ x });
        expect(snapshot?.rows[1]?.body).toStrictEqual(body);
        expect((await replica.newestRow(instanceId))?.body).toStrictEqual(body);

        await replica.addLateOutcome({
          instanceId,
          cellId: 'a',
          attempt: 1,
          fencingToken: 10,
          replicaId: 'r-00000001',
          kind: 'completed',
          body,
        });
        const [late] = await replica.lateOutcomes(instanceId, 'a', 1);
        expect(late?.body).toStrictEqual(body);

        const claimId = freshId('c');
        await replica.claim({ claimId, status: 's', agentId: 'me', evidence: x });
        expect((await replica.claimStatus(claimId))?.evidence).toStrictEqual(x);
      }),
      { numRuns: 60 },
    );
  });

  it('in the text of the database, where another program may read it', async () => {
    const client = await connect(database.appUrl);
    const numbers = fc.double({ noNaN: true, noDefaultInfinity: true });
    await fc.assert(
      fc.asyncProperty(fc.array(numbers, { minLength: 1, maxLength: 50 }), async (all) => {
        const {
          rows: [line],
        } = await client.query<{ texts: string[] }>(
          `select array(select jsonb_array_elements_text($1::jsonb)) as texts`,
          [JSON.stringify(all)],
        );
        for (const [i, text] of line!.texts.entries())
          expect(sameValue(text, JSON.stringify(all[i]))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a number that only another client can have written', () => {
  it('is read as text with the same digits, and never changed', async () => {
    const replica = log(database);
    await replica.pushRunbook(RUNBOOK);
    const client = await connect(database.appUrl);
    const instance = newInstance();
    const { instanceId } = instance;
    await client.query(
      `insert into leasehold.instances (instance_id, runbook_id, version, inputs, agent_id)
         values ($1, $2, 1, '{"order": 12345678901234567890, "rate": 0.10000000000000000555, "n": 1.10}', 'sql')`,
      [instanceId, RUNBOOK.runbook],
    );
    await insertRow(
      client,
      newRow(instanceId, 1, 'started', { body: { idempotencyKey: `${instanceId}/a/1` } }),
    );
    await client.query(
      `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, attempt, body)
         values ($1, 2, 10, 'sql', 'completed', 'a', 1, '{"output": [9007199254740993]}')`,
      [instanceId],
    );
    await client.query(
      `insert into leasehold.claims (claim_id, revision, status, agent_id, evidence)
         values ($1, 1, 's', 'sql', '1e400')`,
      [instanceId],
    );

    const inputs = { order: '12345678901234567890', rate: '0.10000000000000000555', n: 1.1 };
    expect((await replica.instance(instanceId))?.inputs).toEqual(inputs);
    const snapshot = await replica.snapshot(instanceId);
    expect(snapshot?.instance.inputs).toEqual(inputs);
    expect(snapshot?.rows[1]?.body).toEqual({ output: ['9007199254740993'] });
    const evidence: Json = `1${'0'.repeat(400)}`;
    expect((await replica.claimStatus(instanceId))?.evidence).toBe(evidence);
  });
});
