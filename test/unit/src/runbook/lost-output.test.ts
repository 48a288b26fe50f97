import { describe, expect, it } from 'vitest';

import { isLostOutput, lostOutput } from '../../../../src/runbook/lost-output.ts';

describe('what stands for a lost output', () => {
  it('says why, how large it was, and how its text began', () => {
    const lost = lostOutput('it is too large', 5_000, 'x'.repeat(5_000));
    expect(lost).toEqual({
      outputLost: { why: 'it is too large', bytes: 5_000, head: 'x'.repeat(1_024) },
    });
    expect(isLostOutput(lost)).toBe(true);
  });

  it('keeps no half of a character', () => {
    const text = `${'x'.repeat(1_022)}ü${'€'.repeat(10)}`;
    expect(lostOutput('y', 9_999, Buffer.from(text)).outputLost.head).toBe(text.slice(0, 1_023));
    expect(lostOutput('y', 9_999, `${'x'.repeat(1_023)}€`).outputLost.head).toBe('x'.repeat(1_023));
  });

  it('keeps the whole of a short text', () => {
    expect(lostOutput('is not JSON', 5, 'hello').outputLost.head).toBe('hello');
    expect(lostOutput('is empty', 0, '').outputLost.head).toBe('');
  });

  it('holds only what the log can store', () => {
    expect(lostOutput('a\u0000', 1, '\u0000').outputLost).toEqual({
      why: 'a\ufffd',
      bytes: 1,
      head: '\ufffd',
    });
  });

  it.each([
    null,
    'outputLost',
    {},
    { outputLost: 'why' },
    { outputLost: { why: 'w', bytes: 1 } },
    { outputLost: { why: 'w', bytes: 1, head: '' }, more: 1 },
  ])('is not %j', (output) => {
    expect(isLostOutput(output)).toBe(false);
  });
});
