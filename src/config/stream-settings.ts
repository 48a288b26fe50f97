import { z } from 'zod';

import type { EnvReader } from './env-reader.ts';
import { wholeNumber } from './whole-number.ts';

/** How the JetStream streams of a namespace are created. */
export interface StreamSettings {
  /** How many servers of a cluster keep a copy. */
  replicas: number;
  storage: 'file' | 'memory';
  /** Beyond this many requests that wait, more are refused. */
  maxMessages: number;
  /** The same in bytes; undefined: as many as those messages have. */
  maxBytes: number | undefined;
  /** How many messages that cannot be served are kept. */
  maxPoison: number;
}

const MIB = 1024 * 1024;

/** Reads how the streams are to be. What is there already is only compared with it. */
export function readStreamSettings(reader: EnvReader): StreamSettings {
  return {
    replicas: reader.value('LEASEHOLD_QUEUE_REPLICAS', wholeNumber(1, 5), 1),
    storage: reader.value(
      'LEASEHOLD_QUEUE_STORAGE',
      z.enum(['file', 'memory'], 'must be file or memory'),
      'file',
    ),
    maxMessages: reader.value(
      'LEASEHOLD_QUEUE_MAX_MESSAGES',
      wholeNumber(1, 1_000_000_000),
      1_000_000,
    ),
    maxBytes: reader.value<number | undefined>(
      'LEASEHOLD_QUEUE_MAX_BYTES',
      wholeNumber(MIB, 1024 * 1024 * MIB),
      undefined,
    ),
    maxPoison: reader.value('LEASEHOLD_QUEUE_MAX_POISON', wholeNumber(1, 10_000_000), 10_000),
  };
}
