import { describe, expect, it } from 'vitest';

import type { z } from 'zod';

import {
  AdvanceMessage,
  ClaimMessage,
  DecideMessage,
  StartMessage,
  StatusMessage,
  readMessage,
} from '../../../../src/request/messages.ts';

/** A message of each kind with a number in it, and the field that the number is in. */
const MESSAGES: [name: string, schema: z.ZodType, field: string, body: (n: string) => string][] = [
  [
    'start',
    StartMessage,
    'inputs.order.id',
    (n) => `{"instanceId":"i","runbookId":"r","agentId":"a","inputs":{"order":{"id":${n}}}}`,
  ],
  [
    'start',
    StartMessage,
    'version',
    (n) => `{"instanceId":"i","runbookId":"r","agentId":"a","inputs":{},"version":${n}}`,
  ],
  ['claim', ClaimMessage, 'evidence.0', (n) => `{"status":"ok","agentId":"a","evidence":[${n}]}`],
  [
    'decide',
    DecideMessage,
    'output',
    (n) => `{"agentId":"a","cellId":"c","attempt":1,"as":"succeeded","reason":"x","output":${n}}`,
  ],
  ['advance', AdvanceMessage, 'maxCells', (n) => `{"requestId":"q","agentId":"a","maxCells":${n}}`],
  ['status', StatusMessage, 'later', (n) => `{"later":${n}}`],
];

describe.each(MESSAGES)('%s', (_name, schema, field, body) => {
  it.each(['12345678901234567890', '1e400', '0.10000000000000000555', '9007199254740993'])(
    `with ${field}: %s is rejected, and the field is named`,
    (number) => {
      const read = readMessage(schema, new TextEncoder().encode(body(number)));
      const pointer = `/${field.replaceAll('.', '/')}`;
      expect(read).toEqual({
        ok: false,
        error: {
          code: 'invalid',
          message: `${field}: the number ${number} at ${pointer} cannot be kept exactly; send it as text: "${number}"`,
          field,
        },
      });
    },
  );

  it(`with ${field}: 3 or 3.0 is not rejected for its number`, () => {
    for (const number of ['3', '3.0', '3e0']) {
      const read = readMessage(schema, new TextEncoder().encode(body(number)));
      expect(read.ok ? '' : read.error.message).not.toContain('kept exactly');
    }
  });
});

it('a huge number does not make a huge error', () => {
  const body = `{"status":"ok","agentId":"a","evidence":${'9'.repeat(100_000)}}`;
  const read = readMessage(ClaimMessage, new TextEncoder().encode(body));
  expect(JSON.stringify(read).length).toBeLessThan(500);
});
