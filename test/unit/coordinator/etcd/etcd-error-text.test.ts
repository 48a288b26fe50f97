import { expect, it } from 'vitest';

import { etcdErrorText } from '../../../../coordinator/etcd/etcd-error-text.ts';

it.each([
  [
    '14 UNAVAILABLE: No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: ',
    'etcd cannot be reached: connect ECONNREFUSED 127.0.0.1:1',
  ],
  [
    '14 UNAVAILABLE: No connection established. Last error: null. Resolution note: ',
    'etcd cannot be reached: null',
  ],
  [
    '4 DEADLINE_EXCEEDED: Deadline exceeded after 5.001s,LB pick: 0.001s,remote_addr=127.0.0.1:1',
    'etcd does not answer in time',
  ],
  ['8 RESOURCE_EXHAUSTED: etcdserver: no space', 'etcd: etcdserver: no space'],
])('%s reads as %s', (text, read) => {
  expect(etcdErrorText(new Error(text))).toBe(read);
});
