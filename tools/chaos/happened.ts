import type { Row } from '../../src/execution/row.ts';
import { isId } from '../../src/ids.ts';
import type { WitnessedEffect } from './witness.ts';

/** Whether the witness did what it was asked for, and said so. */
export function hasHappened({ status }: WitnessedEffect): boolean {
  return status >= 200 && status <= 299;
}

/** Whether the log says of an effect that it happened: by its outcome, or by a probe. */
export function isRecordedAsHappened({ kind, body: { as, by } }: Row): boolean {
  return kind === 'completed' || (kind === 'decided' && as === 'succeeded' && !isId(by));
}
