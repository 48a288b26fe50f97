import { describe, expect, it } from 'vitest';

import {
  consumerConfig,
  consumerFault,
  faultOf,
  poisonStreamConfig,
  requestStreamConfig,
  type FoundConfig,
} from '../../../../src/bus/stream-config.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import type { StreamSettings } from '../../../../src/config/stream-settings.ts';

const SETTINGS: StreamSettings = {
  replicas: 3,
  storage: 'file',
  maxMessages: 100,
  maxBytes: 5_000,
  maxPoison: 10,
};
const NAMES = subjects('mine');
const wanted = requestStreamConfig(NAMES, SETTINGS);

function faulty(over: FoundConfig) {
  return faultOf({ ...wanted, ...over }, wanted);
}

describe('a stream that is there', () => {
  it('is as it was made, whatever else the server adds', () => {
    expect(faulty({})).toBeUndefined();
    expect(faulty({ allow_direct: true, compression: 'none', sources: [], metadata: {} })).toBe(
      undefined,
    );
    const poison = poisonStreamConfig(NAMES, SETTINGS);
    expect(faultOf({ ...poison }, poison)).toBeUndefined();
    expect([wanted.name, poison.name]).toEqual(['LEASEHOLD_mine_ENQUEUE', 'LEASEHOLD_mine_POISON']);
  });

  it.each<[FoundConfig]>([
    [{ subjects: ['leasehold.mine.>'] }],
    [{ subjects: undefined }],
    [{ retention: 'limits' }],
    [{ mirror: { name: 'other' } }],
    [{ sources: [{ name: 'other' }] }],
    [{ sealed: true }],
    [{ no_ack: true }],
    [{ subject_transform: { src: 'a', dest: 'b' } }],
  ])('with %o is another one’s, and is named', (over) => {
    const fault = faulty(over);
    expect(fault).toMatchObject({ kind: 'foreign' });
    expect(fault?.kind === 'foreign' && fault.why).toContain('LEASEHOLD_mine_ENQUEUE');
  });

  it.each<[FoundConfig, string]>([
    [{ discard: 'old' }, 'drops its oldest'],
    [{ max_age: 1 }, 'dropped after that time'],
    [{ max_msgs_per_subject: 1 }, 'push out others'],
    [{ num_replicas: 1 }, 'num_replicas 1, not 3'],
    [{ storage: 'memory' }, 'storage "memory", not file'],
    [{ max_msgs: 7 }, 'max_msgs 7, not 100'],
    [{ max_bytes: -1 }, 'max_bytes -1, not 5000'],
    [{ max_msg_size: -1 }, 'max_msg_size -1'],
  ])('with %o differs from the settings, and says how', (over, how) => {
    const fault = faulty(over);
    expect(fault).toMatchObject({ kind: 'differs' });
    expect(fault?.kind === 'differs' && fault.problems.join()).toContain(how);
  });
});

describe('a consumer that is there', () => {
  it('can be used as it was made', () => {
    expect(consumerFault({ ...consumerConfig() }, 'S')).toBeUndefined();
  });

  it.each<[FoundConfig]>([
    [{ deliver_subject: 'somewhere' }],
    [{ filter_subject: 'leasehold.mine.enqueue.a' }],
    [{ ack_policy: 'none' }],
    [{ max_deliver: 5 }],
  ])('with %o is another one’s', (over) => {
    const fault = consumerFault({ ...consumerConfig(), ...over }, 'S');
    expect(fault).toContain('advancers of the JetStream stream S');
  });
});
