import type { RequestStream } from '../../src/bus/request-stream.ts';
import { EnqueuedOperations } from './enqueued-operations.ts';
import { RequestQueue, type RequestQueueOptions } from './request-queue.ts';
import { ServingErrors } from './serving-errors.ts';

/** What {@link queueParts} needs from the rest of the replica. */
export interface QueuePartsOptions extends Omit<
  RequestQueueOptions,
  'stream' | 'operations' | 'errors'
> {
  /** Undefined: this replica serves only what other replicas forward. */
  stream?: RequestStream | undefined;
}

/** Makes what serves enqueued requests. */
export function queueParts({ stream, ...options }: QueuePartsOptions): {
  enqueued: EnqueuedOperations;
  queue: RequestQueue | undefined;
} {
  const errors = new ServingErrors();
  const enqueued = new EnqueuedOperations(errors, options.count);
  const queue = stream && new RequestQueue({ ...options, stream, errors, operations: enqueued });
  return { enqueued, queue };
}
