import { expect, it } from 'vitest';

import { invalidReceipt } from '../../../../advancer/intake/read-request.ts';

const bytes = (body: object): Uint8Array => new TextEncoder().encode(JSON.stringify(body));

it('the receipt of an invalid advance has its request id, if the body is small enough to be read', () => {
  const small = bytes({ requestId: 'q1', colour: 'red' });
  expect(invalidReceipt('order-1', small, undefined, 1_000)).toMatchObject({
    requestId: 'q1',
    instanceId: 'order-1',
    outcome: 'invalid',
  });
  const large = bytes({ requestId: 'q1', colour: 'red'.repeat(1_000) });
  expect(invalidReceipt('order-1', large, undefined, 1_000)).toMatchObject({
    requestId: null,
    outcome: 'invalid',
  });
});
