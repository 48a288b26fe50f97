import { hash } from 'node:crypto';

import { derivedId } from '../ids.ts';

/** A tick as it is written in an id: `20260131T120000Z`. */
function tickText(tickMs: number): string {
  return new Date(tickMs).toISOString().replaceAll(/[-:]|\.\d{3}/g, '');
}

/** A tick as a moment: `2026-01-31T12:00:00Z`. */
export function tickIso(tickMs: number): string {
  return new Date(tickMs).toISOString().replace('.000Z', 'Z');
}

/** The id of the instance that a tick starts; one that is too long for an id ends in a hash. */
export function tickInstanceId(scheduleId: string, tickMs: number): string {
  return derivedId(`${scheduleId}-${tickText(tickMs)}`);
}

/** The id of a tick's instance if its own id belongs to another instance. */
export function hashedTickInstanceId(scheduleId: string, tickMs: number): string {
  // Of the origin, not of the id: two origins may have the same id.
  const digest = hash('sha256', JSON.stringify([scheduleId, tickText(tickMs)])).slice(0, 32);
  return `${`${scheduleId}-${tickText(tickMs)}`.slice(0, 95)}-${digest}`;
}

/**
 * How long after a tick its instance is started: from 0 to just below the schedule's jitter. It
 * follows from schedule and tick alone, so that all replicas agree.
 */
export function jitterOf(scheduleId: string, tickMs: number, jitterMs: number): number {
  if (jitterMs === 0) return 0;
  const digest = hash('sha256', `${scheduleId} ${tickText(tickMs)}`).slice(0, 12);
  return Math.floor((Number.parseInt(digest, 16) / 2 ** 48) * jitterMs);
}
