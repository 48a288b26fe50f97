import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

import type { SeenEffect } from '../../src/audit/evidence.ts';
import type { Row } from '../../src/execution/row.ts';
import type { WitnessedEffect } from './witness.ts';

/** The effects of the witness's file, by instance, in the order in which they came. */
export async function readWitnessed(file: string): Promise<Map<string, WitnessedEffect[]>> {
  const byInstance = new Map<string, WitnessedEffect[]>();
  for await (const line of createInterface(createReadStream(file, 'utf8'))) {
    if (line === '') continue;
    const effect = JSON.parse(line) as WitnessedEffect;
    const list = byInstance.get(effect.instanceId);
    if (list === undefined) byInstance.set(effect.instanceId, [effect]);
    else list.push(effect);
  }
  return byInstance;
}

/** What recorded time and the witness's may differ by; both are of one machine, in other units. */
export const CLOCK_SLACK_MS = 20;

/**
 * The attempt of each effect. An http call does not say it, so it is taken from the intents of its
 * cell, token and key: with several of them (attempts of one term that were cut off), each effect
 * goes to the newest one that was committed by then and has none yet. Effects that outnumber the
 * intents are put on the newest, where they count as a second run; one without any intent is of
 * attempt 1.
 */
export function attributed(
  effects: readonly WitnessedEffect[],
  rows: readonly Row[],
): SeenEffect[] {
  const started = rows.filter(({ kind }) => kind === 'started');
  const neverBegan = new Set(
    rows
      .filter(({ kind, body }) => kind === 'interrupted' && body['reason'] === 'not_started')
      .map(({ cellId, attempt }) => `${cellId}/${attempt}`),
  );
  const taken = new Set<number>();
  return effects.map((effect) => {
    const { instanceId, cellId, fencingToken, idempotencyKey, at } = effect;
    const own = started.filter(
      (row) =>
        row.cellId === cellId &&
        row.fencingToken === fencingToken &&
        (row.body['idempotencyKey'] ?? idempotencyKey) === idempotencyKey,
    );
    const ran = own.filter((row) => !neverBegan.has(`${row.cellId}/${row.attempt}`));
    const candidates = (ran.length > 0 ? ran : own).toReversed();
    const latestMs = Date.parse(at) + CLOCK_SLACK_MS;
    const begun = candidates.filter((row) => Date.parse(row.recordedAt) <= latestMs);
    const row = begun.find(({ seq }) => !taken.has(seq)) ?? begun[0] ?? candidates[0];
    if (row !== undefined) taken.add(row.seq);
    const attempt = effect.attempt ?? row?.attempt ?? 1;
    return { instanceId, cellId, attempt, fencingToken, idempotencyKey, at };
  });
}
