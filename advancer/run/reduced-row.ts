import type { NewRow } from '../../src/execution/row.ts';
import type { Json, JsonObject } from '../../src/json.ts';
import { isLostOutput, lostOutput } from '../../src/runbook/lost-output.ts';

/**
 * The row with as little data as its kind allows, for a Postgres that refuses all of it. It says
 * the same about what happened.
 */
export function reduced(row: NewRow, why: string): NewRow {
  switch (row.kind) {
    case 'completed': {
      const output = outputLost(row.body['output'] ?? null, why);
      return { ...row, body: { ...flagsOf(row.body), output, detail: {} } };
    }
    case 'failed': {
      const error = { message: `the error cannot be stored: ${why}` };
      return { ...row, body: { ...flagsOf(row.body), error, detail: {} } };
    }
    case 'interrupted':
      return {
        ...row,
        body: { ...flagsOf(row.body), reason: row.body['reason'] ?? null, detail: {} },
      };
    default:
      return row;
  }
}

/** Stands for the output of an effect that succeeded. */
function outputLost(output: Json, why: string): JsonObject {
  if (isLostOutput(output)) return output;
  const text = typeof output === 'string' ? output : JSON.stringify(output);
  return lostOutput(`Postgres refuses it: ${why}`, Buffer.byteLength(text), text);
}

/** What a body says about the outcome in one word, such as whether the effect happened. */
function flagsOf(body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => typeof value === 'boolean'));
}
