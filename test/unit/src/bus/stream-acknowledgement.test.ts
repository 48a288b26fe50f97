import { expect, it } from 'vitest';

import { acknowledgingStream } from '../../../../src/bus/stream-acknowledgement.ts';

it.each([
  [{ stream: 'ORDERS', seq: 7 }, 'ORDERS'],
  [{ stream: 'ORDERS', seq: 7, domain: 'hub', duplicate: true }, 'ORDERS'],
  [{ stream: 'ORDERS', seq: 7, as: 'rerun' }, undefined],
  [{ instanceId: 'i', seq: 7, as: 'rerun' }, undefined],
  [{ stream: 7, seq: 7 }, undefined],
  ['ORDERS', undefined],
  [null, undefined],
])('%j is the acknowledgement of stream %s', (reply, stream) => {
  expect(acknowledgingStream(reply)).toBe(stream);
});
