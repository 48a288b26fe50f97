import { describe, expect, it } from 'vitest';

import { withInputs } from '../../../../advancer/run/child-inputs.ts';
import { MAX_CHILD_INPUT_BYTES } from '../../../../src/execution/children.ts';
import type { Runbook } from '../../../../src/runbook/runbook.ts';

const CHILD: Runbook = {
  runbook: 'child',
  version: 1,
  inputs: ['text'],
  cells: [{ id: 'a', exec: { handler: 'x' } }],
};
const AROUND = Buffer.byteLength(JSON.stringify({ text: '' }));

/** Children whose inputs have this many bytes each. */
function plans(count: number, bytes: number) {
  const inputs = { text: 'x'.repeat(bytes - AROUND) };
  return Array.from({ length: count }, (_, n) => ({ n, inputs }));
}

describe('the inputs of children', () => {
  it('have at most 16 MiB together, because one statement inserts them', () => {
    const most = MAX_CHILD_INPUT_BYTES / 1_024;
    const fitting = withInputs(CHILD, plans(1_024, most));
    expect(fitting).toMatchObject({ ok: true });
    const [first, ...rest] = plans(1_024, most);
    const over = withInputs(CHILD, [
      { n: first!.n, inputs: { text: `${first!.inputs.text}é` } },
      ...rest,
    ]);
    expect(over).toEqual({
      ok: false,
      message:
        'the inputs of its 1024 instances have more than 16777216 bytes together: give each only ' +
        'what it needs, such as a name or an address, or use several run cells',
    });
  });
});
