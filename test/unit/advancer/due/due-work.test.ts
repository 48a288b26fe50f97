import { beforeEach, describe, expect, it } from 'vitest';

import { DueWork } from '../../../../advancer/due/due-work.ts';
import { ClusterView } from '../../../../advancer/intake/cluster-view.ts';
import type { DueInstance, DueLines, RestLine, Wake } from '../../../../advancer/log/due.ts';
import type { HeldInstance } from '../../../../advancer/run/held-instance.ts';
import type { Proceeded } from '../../../../advancer/run/proceed.ts';
import { wrongReplica } from '../../../../advancer/run/wrong-replica.ts';
import type { Leases } from '../../../../coordinator/leases.ts';
import { holdingOf } from '../../../harness/holder.ts';
import { ranking } from '../../../harness/ranking.ts';
import { HandClock } from '../../coordinator/hand-clock.ts';

const ME = 'a-00000001';
const OTHER = 'b-00000002';
const REPLICAS = [ME, OTHER];

/** Instances of which this replica ranks first, or the other one. */
const named = (first: string, count: number): string[] =>
  Array.from({ length: 400 }, (_, nth) => `i${String(nth).padStart(3, '0')}`)
    .filter((id) => ranking(id, REPLICAS)[0] === first)
    .slice(0, count);

describe('due work', () => {
  const clock = new HandClock();
  let due: DueInstance[];
  let wakes: Wake[];
  let waiters: Map<string, string[]>;
  let children: { ending: 'completed' | undefined }[];
  let holders: Map<string, string>;
  let looked: string[];
  let finds: number;
  let put: RestLine[];
  let forgotten: string[];
  let served: string[][];
  let announced: number;
  let cancelled: string[];
  let handedOver: string[];
  let putOff: string[];
  let rechecked: string[];
  let proceeds: (instanceId: string) => Promise<Proceeded>;
  let work: DueWork;

  beforeEach(() => {
    [due, wakes, looked, put, forgotten, served, cancelled, handedOver, putOff, rechecked] = [
      [],
      [],
      [],
      [],
      [],
      [],
      [],
      [],
      [],
      [],
    ];
    [waiters, children, holders, finds, announced] = [new Map(), [], new Map(), 0, 0];
    proceeds = () => Promise.resolve('done');
    const leases: Partial<Leases> = {
      replicaId: ME,
      notLeading: () => undefined,
      holding: (id) => (holders.get(id) === ME ? holdingOf(id, 1) : undefined),
      hint: (instanceId) => {
        const replicaId = holders.get(instanceId);
        return replicaId === undefined ? undefined : { instanceId, replicaId, token: 1 };
      },
      replicas: () => REPLICAS.map((replicaId) => ({ replicaId, name: '', pid: 0, httpUrl: '' })),
      acquire: (id) => Promise.resolve({ kind: 'acquired', holding: holdingOf(id, 2) }),
      onVanished: () => () => undefined,
    };
    const lines: DueLines = {
      find: (limit) => {
        finds += 1;
        return Promise.resolve({ due: due.slice(0, limit), wakes, nextMs: undefined });
      },
      dueAfter: (after, limit) => {
        const from = due.findIndex(({ instanceId }) => instanceId === after.instanceId) + 1;
        return Promise.resolve(due.slice(from, from + limit));
      },
      woken: ({ wakeId }, limit, after = '') =>
        Promise.resolve((waiters.get(wakeId) ?? []).filter((id) => id > after).slice(0, limit)),
      put: (more) => Promise.resolve(void put.push(...more)),
      forget: (ids) => Promise.resolve(void forgotten.push(...ids)),
      forgetServed: (ids) => Promise.resolve(void served.push([...ids])),
      recheck: (after) => {
        rechecked.push(after);
        return Promise.resolve({ last: rechecked.length === 1 ? 'i200' : undefined, found: 0 });
      },
    };
    work = new DueWork({
      view: new ClusterView(leases as Leases, clock),
      leases: leases as Leases,
      log: {
        due: lines,
        unsettled: () => Promise.resolve([]),
        children: { of: () => Promise.resolve(children) } as never,
      },
      clock,
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      held: ({ instanceId }) =>
        ({
          proceed: () => {
            looked.push(instanceId);
            return proceeds(instanceId);
          },
          putOff: () => Promise.resolve(void putOff.push(instanceId)),
        }) as Partial<HeldInstance> as HeldInstance,
      handOver: {
        handOver: ({ instanceId }) => Promise.resolve(handedOver.push(instanceId) > 0),
      },
      cancelChildren: (id) => void cancelled.push(id),
      announce: () => void (announced += 1),
      count: () => undefined,
      logTrouble: () => undefined,
    });
    work.start();
    return () => work.stop();
  });

  const overdue = (instanceId: string, overdueMs = 1): DueInstance => ({
    instanceId,
    since: instanceId,
    overdueMs,
  });
  const wake = (kind: Wake['kind'], id: string, wakeId = '1'): Wake => ({
    wakeId,
    kind,
    id,
    revision: 1,
    status: 'open',
    sinceMs: 1,
  });

  it('asks one short question twice a second, however many instances wait', async () => {
    await clock.advance(10_000);
    expect(finds).toBeGreaterThanOrEqual(19);
    expect(finds).toBeLessThanOrEqual(22);
    expect(looked).toEqual([]);
  });

  it('is done by the first in rank, and by another one once that one has not done it', async () => {
    const [mine, others] = [named(ME, 3), named(OTHER, 3)];
    due = [...mine, ...others].map((id) => overdue(id));
    await clock.advance(100);
    expect(looked.toSorted()).toEqual(mine);
    looked = [];
    due = others.map((id) => overdue(id, 5_000));
    await clock.advance(600);
    expect(new Set(looked)).toEqual(new Set(others));
  });

  it('of an instance that another replica holds is left to that one', async () => {
    const [first, second] = named(ME, 2) as [string, string];
    holders.set(first, OTHER);
    const [theirs] = named(OTHER, 1) as [string];
    holders.set(theirs, ME);
    due = [first, second, theirs].map((id) => overdue(id, 60_000));
    await clock.advance(100);
    expect(looked.toSorted()).toEqual([second, theirs].toSorted());
  });

  it('reaches what is due behind pages of what is not its turn', async () => {
    const [mine] = named(ME, 1) as [string];
    const theirs = Array.from({ length: 1_200 }, (_, nth) => `x${nth}`);
    for (const id of theirs) holders.set(id, OTHER);
    due = [...theirs, mine].map((id) => overdue(id));
    await clock.advance(100);
    expect(looked).toEqual([mine]);
  });

  it('begins a few at a time, and one that takes long does not hold up the others', async () => {
    const mine = named(ME, 150);
    due = mine.map((id) => overdue(id));
    proceeds = () => new Promise(() => undefined);
    await clock.advance(50);
    expect(looked).toHaveLength(64);
    await clock.advance(500);
    expect(looked).toHaveLength(150);
    await clock.advance(2_000);
    // Each once, as long as it is under way.
    expect(new Set(looked).size).toBe(looked.length);
  });

  it('wakes everybody who waits for a claim, and forgets the claim only when nobody is left', async () => {
    const mine = named(ME, 2);
    wakes = [wake('claim', 'c')];
    waiters.set('1', [...mine, ...named(OTHER, 2)].toSorted());
    work.noted();
    await clock.advance(60);
    expect(looked.toSorted()).toEqual(mine);
    expect(forgotten).toEqual([]);
    expect(announced).toBe(1);
    // The database forgets it if nobody waits; only one replica asks.
    expect(served.flat().every((id) => id === '1')).toBe(true);
    expect(served.length > 0).toBe(ranking('c', REPLICAS)[0] === ME);
  });

  it('looks once at the parent of many children, and keeps the notes if it could not', async () => {
    const [parent] = named(ME, 1) as [string];
    wakes = [wake('child_ended', parent, '1'), wake('child_ended', parent, '2')];
    proceeds = () => Promise.resolve('busy');
    await clock.advance(100);
    expect(looked).toEqual([parent]);
    // The newest note stands for both.
    expect(forgotten).toEqual(['1']);
    wakes = wakes.slice(1);
    proceeds = () => Promise.resolve('done');
    await clock.advance(600);
    expect(looked).toEqual([parent, parent]);
    expect(forgotten).toEqual(['1', '2']);
  });

  it('does not take a look that began before a note for one that has seen it', async () => {
    const [parent] = named(ME, 1) as [string];
    let end: (proceeded: Proceeded) => void = () => undefined;
    proceeds = () => new Promise((resolve) => (end = resolve));
    due = [overdue(parent)];
    await clock.advance(100);
    due = [];
    wakes = [wake('child_ended', parent)];
    await clock.advance(600);
    end('done');
    await clock.advance(1);
    expect(forgotten).toEqual([]);
    proceeds = () => Promise.resolve('done');
    await clock.advance(600);
    expect(forgotten).toEqual(['1']);
  });

  it('has children cancelled until all have ended', async () => {
    const [parent] = named(ME, 1) as [string];
    wakes = [wake('cancel_children', parent)];
    children = [{ ending: undefined }];
    await clock.advance(100);
    expect(cancelled).toEqual([parent]);
    expect(forgotten).toEqual([]);
    children = [{ ending: 'completed' }];
    await clock.advance(600);
    expect(forgotten).toEqual(['1']);
  });

  it('hands over what this replica cannot run, and puts it off if nobody can', async () => {
    const [mine] = named(ME, 1) as [string];
    due = [overdue(mine)];
    const wrong = wrongReplica({ why: 'no handler', handler: 'new' });
    const receipt = { requestId: 'auto_1', instanceId: mine, steps: [] };
    proceeds = () =>
      Promise.resolve({
        ...wrong,
        receipt: { ...receipt, outcome: 'unavailable', nextCellId: 'a', holder: null },
      });
    await clock.advance(100);
    expect(handedOver).toEqual([mine]);
    expect(putOff).toEqual([mine]);
  });

  it('rests after an error, and drops a line of an instance that is attended', async () => {
    const [broken, attended] = named(ME, 2) as [string, string];
    due = [overdue(broken), overdue(attended)];
    proceeds = (id) =>
      id === broken ? Promise.reject(new Error('no such version')) : Promise.resolve('left');
    await clock.advance(100);
    expect(put).toEqual([{ instanceId: attended, lastSeq: 0, rest: 'ended' }]);
    due = [overdue(broken)];
    await clock.advance(4_000);
    expect(looked.filter((id) => id === broken)).toHaveLength(1);
    await clock.advance(2_000);
    expect(looked.filter((id) => id === broken)).toHaveLength(2);
  });

  it('looks at once at what this replica has to do, and tells the others of the rest, once', async () => {
    const [mine] = named(ME, 1) as [string];
    work.look(mine);
    await clock.advance(0);
    expect(looked).toEqual([mine]);
    for (const id of named(OTHER, 5)) work.look(id);
    await clock.advance(30);
    expect(announced).toBe(1);
    const before = finds;
    work.announced();
    await clock.advance(15);
    expect(finds).toBe(before + 1);
  });

  it('compares all lines with the log, page by page, and begins again', async () => {
    await clock.advance(16_000);
    const pages = ranking('recheck', REPLICAS)[0] === ME ? ['', 'i200', ''] : [];
    expect(rechecked.slice(0, 3)).toEqual(pages);
  });
});
