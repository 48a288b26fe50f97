import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

import type { SeenEffect } from '../../src/audit/evidence.ts';
import type { Row } from '../../src/execution/row.ts';
import type { WitnessedEffect } from './witness.ts';

/** The effects in the witness's file, by instance, in the order in which they arrived. */
export async function readWitnessedEffects(file: string): Promise<Map<string, WitnessedEffect[]>> {
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

/**
 * How far `recordedAt` and the witness's times may differ. Both come from the same machine's clock,
 * but with different resolution.
 */
export const CLOCK_SLACK_MS = 20;

/**
 * Assigns each effect to an attempt. An http call does not carry its attempt, so it is taken from
 * the intents with the same cell, token and key. Where there are several (attempts of one term that
 * were cut off), each effect goes to the newest intent that was committed by then and has no effect
 * yet. Effects in excess of the intents go to the newest one, where they count as a second run. An
 * effect without any intent counts as attempt 1.
 */
export function attributeEffects(
  effects: readonly WitnessedEffect[],
  rows: readonly Row[],
): SeenEffect[] {
  const started = rows.filter(({ kind }) => kind === 'started');
  const notStarted = new Set(
    rows
      .filter(
        ({ kind, body }) =>
          (kind === 'interrupted' && body['reason'] === 'not_started') ||
          (kind === 'failed' && body['notBegun'] === true),
      )
      .map(({ cellId, attempt }) => `${cellId}/${attempt}`),
  );
  const taken = new Set<number>();
  return effects.map((effect) => {
    const { instanceId, cellId, fencingToken, idempotencyKey, at } = effect;
    const matching = started.filter(
      (row) =>
        row.cellId === cellId &&
        row.fencingToken === fencingToken &&
        (row.body['idempotencyKey'] ?? idempotencyKey) === idempotencyKey,
    );
    const ran = matching.filter((row) => !notStarted.has(`${row.cellId}/${row.attempt}`));
    const newestFirst = (ran.length > 0 ? ran : matching).toReversed();
    const latestMs = Date.parse(at) + CLOCK_SLACK_MS;
    const committed = newestFirst.filter((row) => Date.parse(row.recordedAt) <= latestMs);
    const row = committed.find(({ seq }) => !taken.has(seq)) ?? committed[0] ?? newestFirst[0];
    if (row !== undefined) taken.add(row.seq);
    const attempt = effect.attempt ?? row?.attempt ?? 1;
    const happened = effect.status >= 200 && effect.status <= 299;
    return { instanceId, cellId, attempt, fencingToken, idempotencyKey, at, happened };
  });
}
