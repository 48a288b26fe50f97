import { beforeEach, describe, expect, it } from 'vitest';

import { Notes } from '../../../../advancer/mac/notes.ts';
import type { ReplicaRecord } from '../../../../coordinator/leases.ts';
import { subjects } from '../../../../src/bus/subjects.ts';
import { newSecret } from '../../../../coordinator/secrets.ts';
import { member, record } from './members.ts';

/** What one replica did, in order. */
let done: string[];
let registered: readonly ReplicaRecord[];
let notes: Notes;

beforeEach(() => {
  done = [];
  registered = [record('b', []), record('c', [])];
  notes = new Notes({
    bus: { publish: (subject) => void done.push(subject) },
    subjects: subjects('test'),
    messages: member('a', [newSecret()]).messages,
    leases: { replicaId: 'a', registered: () => registered },
    introduce: (replicaId) => void done.push(`introduced to ${replicaId}`),
  });
});

const ANSWERED = 'leasehold.test.answered';
const send = (): void => notes.send({ note: 'answered', keys: ['advance/i/r'] });

describe('before a note', () => {
  it('a replica is introduced to all that are registered, who would not believe it otherwise', () => {
    send();
    expect(done).toEqual(['introduced to b', 'introduced to c', ANSWERED]);
  });

  it('is introduced once, and again when others have come', () => {
    send();
    send();
    registered = [...registered, record('d', [])];
    send();
    expect(done).toEqual([
      'introduced to b',
      'introduced to c',
      ANSWERED,
      ANSWERED,
      'introduced to b',
      'introduced to c',
      'introduced to d',
      ANSWERED,
    ]);
  });
});
