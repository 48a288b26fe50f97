import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  HOLDER_GRACE_MS,
  RANK_MS,
  rankAmongAble,
  refusalWaitMs,
  turnOf,
  type TurnInput,
} from '../../../../advancer/intake/turn.ts';
import { ranking } from '../../../harness/ranking.ts';

const REPLICAS = ['a', 'b', 'c', 'd', 'e'].map((name) => `${name}-00000000`);
const INSTANCE = 'i';

const replicaId = fc.constantFrom(...REPLICAS);
/** Mostly around the ranks' turns. */
const waitedMs = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 600 }) },
  fc.integer({ min: 0, max: 2_000 }),
  fc.double({ min: 0, max: 5_000, noNaN: true }),
);
/** A draining replica may still have an attempt of this instance, of another, or none. */
const draining = fc
  .array(fc.tuple(replicaId, fc.subarray([INSTANCE, 'another'])), { maxLength: 4 })
  .map((entries) => new Map(entries.map(([id, busy]) => [id, new Set(busy)])));

/**
 * What a replica may see: not everything that is registered, and leases of replicas that are gone.
 */
const input: fc.Arbitrary<TurnInput> = fc.record({
  instanceId: fc.constant(INSTANCE),
  replicaId,
  replicas: fc
    .subarray(REPLICAS)
    .map((replicaIds) => replicaIds.map((listed) => ({ replicaId: listed }))),
  hint: fc.option(
    replicaId.map((holder) => ({ instanceId: INSTANCE, replicaId: holder, token: 7 })),
    { nil: undefined },
  ),
  draining,
  turnsFromMs: fc.constant(10_000),
  nowMs: waitedMs.map((ms) => 10_000 + ms),
});

fc.configureGlobal({ numRuns: 1_000 });

const seenBy = (view: TurnInput, id: string): TurnInput => ({ ...view, replicaId: id });
const at = (view: TurnInput, nowMs: number): TurnInput => ({ ...view, nowMs });

describe('whose turn it is', () => {
  it('an instance that no replica holds may be acquired by one more rank every 100 ms', () => {
    fc.assert(
      fc.property(input, (view) => {
        const free = { ...view, hint: undefined };
        const able = free.replicas
          .map((replica) => replica.replicaId)
          .filter((id) => !free.draining.has(id));
        const waited = free.nowMs - free.turnsFromMs;
        const due = ranking(INSTANCE, able).filter((_, rank) => rank * RANK_MS <= waited);
        const acquiring = able.filter((id) => turnOf(seenBy(free, id)).kind === 'acquire');
        expect(new Set(acquiring)).toEqual(new Set(due));
      }),
    );
  });

  it('is the first replica’s at once, and no other one’s: exactly one that can act ranks first', () => {
    fc.assert(
      fc.property(input, (view) => {
        const able = view.replicas.filter((replica) => !view.draining.has(replica.replicaId));
        const first = able.filter(
          (replica) => rankAmongAble(INSTANCE, seenBy(view, replica.replicaId)) === 0,
        );
        expect(first).toHaveLength(able.length === 0 ? 0 : 1);
      }),
    );
  });

  it('a draining replica that does not hold the instance counts as absent', () => {
    fc.assert(
      fc.property(input, (view) => {
        const { hint } = view;
        const others = new Map([...view.draining].filter(([id]) => id === hint?.replicaId));
        const replicas = view.replicas.filter(
          (replica) => !view.draining.has(replica.replicaId) || others.has(replica.replicaId),
        );
        expect(turnOf({ ...view, replicas, draining: others })).toEqual(turnOf(view));
      }),
    );
  });

  it('a holder that is not draining keeps its lease until a ping, and gets its grace before that', () => {
    fc.assert(
      fc.property(input, (view) => {
        const holder = view.hint?.replicaId;
        fc.pre(holder !== undefined && holder !== view.replicaId && !view.draining.has(holder));
        const turn = turnOf(view);
        const inGrace = view.nowMs - view.turnsFromMs < HOLDER_GRACE_MS;
        expect(inGrace ? ['wait'] : ['wait', 'ping']).toContain(turn.kind);
      }),
    );
  });

  it('a holder is pinged by one more of the other replicas every 100 ms, in rank order', () => {
    fc.assert(
      fc.property(input, replicaId, (view, holder) => {
        const hint = { instanceId: INSTANCE, replicaId: holder, token: 7 };
        const others = view.replicas
          .map((replica) => replica.replicaId)
          .filter((id) => id !== holder && !view.draining.has(id));
        fc.pre(!view.draining.has(holder));
        const waited = view.nowMs - view.turnsFromMs;
        const due = ranking(INSTANCE, others).filter(
          (_, rank) => rank * RANK_MS + HOLDER_GRACE_MS <= waited,
        );
        const pinging = others.filter(
          (id) => turnOf({ ...seenBy(view, id), hint }).kind === 'ping',
        );
        expect(new Set(pinging)).toEqual(new Set(due));
      }),
    );
  });

  it('only a draining holder without an attempt of the instance is replaced without a ping', () => {
    fc.assert(
      fc.property(input, (view) => {
        const { hint } = view;
        const heldByOther = hint !== undefined && hint.replicaId !== view.replicaId;
        const isFreeToReplace =
          heldByOther && view.draining.get(hint.replicaId)?.has(INSTANCE) === false;
        const turn = turnOf(view);
        expect(turn.kind === 'acquire' && heldByOther).toBe(false);
        expect(turn.kind === 'replace' && !isFreeToReplace).toBe(false);
        expect(turn.kind === 'replace' ? turn.lease : hint).toBe(hint);
      }),
    );
  });

  it('comes after the waits that it names, within two seconds, and then stays', () => {
    fc.assert(
      fc.property(input, waitedMs, (view, laterMs) => {
        let nowMs = view.turnsFromMs;
        let turn = turnOf(at(view, nowMs));
        for (let waits = 0; turn.kind === 'wait'; waits += 1) {
          expect(turn.forMs).toBeGreaterThan(0);
          expect(waits).toBeLessThan(12);
          nowMs += turn.forMs;
          turn = turnOf(at(view, nowMs));
        }
        expect(nowMs - view.turnsFromMs).toBeLessThan(2_000);
        expect(turnOf(at(view, nowMs + laterMs)).kind).toBe(turn.kind);
      }),
    );
  });

  it('depends on how long the request has waited, not on the time', () => {
    fc.assert(
      fc.property(input, fc.integer({ min: 0, max: 1_000_000 }), (view, shiftMs) => {
        fc.pre(Number.isInteger(view.nowMs));
        const shifted = {
          ...view,
          turnsFromMs: view.turnsFromMs + shiftMs,
          nowMs: view.nowMs + shiftMs,
        };
        expect(turnOf(shifted)).toEqual(turnOf(view));
      }),
    );
  });
});

describe('a replica that cannot lead', () => {
  it('answers for all only after every better rank, and a TTL in which it could not lead', () => {
    const ms = fc.integer({ min: 0, max: 20_000 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5 }), ms, ms, ms, ms, (rank, from, idle, ttl, now) => {
        const waitMs = refusalWaitMs(rank, from, idle, ttl, now);
        const due = now >= from + 1_000 + rank * RANK_MS && now >= idle + ttl + 1_000;
        expect(waitMs === 0).toBe(due);
        expect(waitMs).toBeGreaterThanOrEqual(0);
        expect(waitMs).toBeLessThanOrEqual(500);
      }),
    );
  });
});
