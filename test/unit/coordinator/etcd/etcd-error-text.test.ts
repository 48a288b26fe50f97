import { expect, it } from 'vitest';

import { etcdUnavailable } from '../../../../coordinator/etcd/etcd-error-text.ts';

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
  [
    '14 UNAVAILABLE: No connection established. Last error: Failed to connect (2026-11-30T08:49:06.603Z). Resolution note: ',
    'etcd cannot be reached: Failed to connect; the server ends the connection at once: if it requires TLS, write https:// in LEASEHOLD_ETCD_URLS',
  ],
  [
    '14 UNAVAILABLE: No connection established. Last error: 80AC0CF6087F0000:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:../deps/openssl/openssl/ssl/record/rec_layer_s3.c:1601:SSL alert number 116\n (2026-11-30T08:49:06.403Z). Resolution note: ',
    'etcd cannot be reached: tlsv13 alert certificate required; the server requires a client certificate: set LEASEHOLD_ETCD_CERT_FILE and LEASEHOLD_ETCD_KEY_FILE',
  ],
  ['8 RESOURCE_EXHAUSTED: etcdserver: no space', 'etcd: etcdserver: no space'],
])('%s reads as %s', (text, read) => {
  expect(etcdUnavailable(new Error(text), { secure: false, tls: undefined }).message).toBe(read);
});
