import { isJsonObject } from '../json.ts';
import { textOf } from './cell-record.ts';
import type { Row } from './row.ts';
import type { LeftDoubt } from './views.ts';

/** The instance is being unwound: what it did is undone, and nothing else follows. */
export interface Unwinding {
  /** An agent's id, or `@policy`. */
  by: string;
  reason: string;
  /** Whether its children are to be cancelled. */
  children: boolean;
  /** ISO 8601, when this was recorded. */
  since: string;
  /** Its row. */
  seq: number;
}

/** The instance is cancelled; nothing follows. */
export interface Cancelled extends Unwinding {
  /** The doubts that nobody settled. */
  left: LeftDoubt[];
}

/** What an `unwinding` row says. */
export function unwindingIn({ seq, body, recordedAt }: Row): Unwinding {
  return {
    by: textOf(body['by']),
    reason: textOf(body['reason']),
    children: body['children'] === true,
    since: recordedAt,
    seq,
  };
}

/** What a `cancelled` row says. */
export function cancelledIn(row: Row): Cancelled {
  const { left } = row.body;
  return { ...unwindingIn(row), left: Array.isArray(left) ? left.flatMap(leftDoubt) : [] };
}

function leftDoubt(one: Row['body'][string]): LeftDoubt[] {
  if (!isJsonObject(one)) return [];
  const { cellId, attempt } = one;
  return typeof cellId === 'string' && typeof attempt === 'number' ? [{ cellId, attempt }] : [];
}
