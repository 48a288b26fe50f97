import { beforeEach, describe, expect, it } from 'vitest';

import { DEFAULT_LIMITS } from '../../../../src/config/limits.ts';
import type { Receipt } from '../../../../src/request/receipt.ts';
import { settled } from '../../coordinator/hand-clock.ts';
import { FIRST, LAST, OTHERS, World } from './router-world.ts';

/** The answers, each with the id of its request. */
let heard: string[];
beforeEach(() => {
  heard = [];
});

/** Takes a request; its answers are collected. */
function take(world: World, id: string, { agentId = 'flood', instanceId = FIRST } = {}): void {
  world.router.take(world.operation(instanceId, 30_000, id, agentId), (body) => {
    heard.push(`${id} ${typeof body === 'string' ? body : JSON.stringify(body)}`);
  });
}

describe('requests on one instance', () => {
  it('are remembered up to the limit; one agent fills at most half, so others are still served', async () => {
    const world = new World({ ...DEFAULT_LIMITS, requestsPerInstance: 8 });
    world.acquired(FIRST);
    let serve = (): void => undefined;
    const served = new Promise<void>((resolve) => (serve = resolve));
    world.serve = () =>
      served.then(() => ({ kind: 'answered', reply: 'served', recorded: true }) as const);
    for (let nth = 0; nth < 1_000; nth += 1) take(world, `f${nth}`);
    expect(world.router.remembered).toBe(4);
    expect(heard).toHaveLength(996);
    expect(new Set(heard.map((reply) => reply.split(' ')[1]))).toEqual(new Set(['unavailable']));
    take(world, 'honest', { agentId: 'honest' });
    serve();
    await settled();
    expect(heard).toContain('honest served');
    expect(world.router.remembered).toBe(0);
    // What was refused may be asked again.
    take(world, 'f999');
    await settled();
    expect(heard).toContain('f999 served');
  });

  it('of many agents are bounded as well', () => {
    const world = new World({ ...DEFAULT_LIMITS, requestsPerInstance: 8 });
    world.acquired(FIRST);
    world.serve = () => new Promise(() => undefined);
    for (let nth = 0; nth < 100; nth += 1) take(world, `f${nth}`, { agentId: `a${nth}` });
    expect(world.router.remembered).toBe(8);
  });
});

describe('a request beyond a limit', () => {
  it('of an agent, or in total, is refused and has run nothing', async () => {
    const limits = { ...DEFAULT_LIMITS, requests: 20, requestsPerAgent: 10 };
    const world = new World(limits);
    world.serve = () => new Promise(() => undefined);
    for (let nth = 0; nth < 15; nth += 1) take(world, `a${nth}`, { agentId: 'a' });
    expect(world.router.remembered).toBe(10);
    for (let nth = 0; nth < 15; nth += 1) take(world, `b${nth}`, { agentId: `b${nth}` });
    expect(world.router.remembered).toBe(20);
    expect(world.counted).toEqual([
      ...Array.from({ length: 5 }, () => 'requests_per_agent'),
      ...Array.from({ length: 5 }, () => 'requests'),
    ]);
    // The other replicas forget it as well, and none of them steps in.
    expect(world.announced).toHaveLength(10);
    await settled();
    expect(world.did.filter((what) => what === 'serve')).toHaveLength(20);
  });

  it('is left to the replica that holds the instance, or that comes first', () => {
    const world = new World({ ...DEFAULT_LIMITS, requests: 2 });
    world.serve = () => new Promise(() => undefined);
    for (const id of ['a', 'b']) take(world, id);
    world.heldBy(OTHERS[0]!, FIRST);
    take(world, 'c');
    take(world, 'd', { instanceId: LAST });
    expect(heard).toEqual([]);
    expect(world.announced).toEqual([]);
    expect(world.counted).toEqual(['requests', 'requests']);
  });

  it('gets its receipt if it has one', async () => {
    const world = new World({ ...DEFAULT_LIMITS, requests: 2 });
    world.acquired(FIRST);
    const receipt = { requestId: 'done', instanceId: FIRST, outcome: 'completed' } as Receipt;
    world.receipts.add('done', receipt);
    world.serve = () => new Promise(() => undefined);
    for (const id of ['a', 'b', 'done', 'c']) take(world, id);
    await settled();
    expect(heard).toEqual([`done ${JSON.stringify(receipt)}`, 'c unavailable']);
  });

  it('joins the same request if that is remembered: both get the one answer', async () => {
    const world = new World({ ...DEFAULT_LIMITS, requests: 2 });
    world.acquired(FIRST);
    let serve = (): void => undefined;
    const served = new Promise<void>((resolve) => (serve = resolve));
    world.serve = () =>
      served.then(() => ({ kind: 'answered', reply: 'served', recorded: true }) as const);
    for (const id of ['a', 'b', 'a', 'a']) take(world, id);
    serve();
    await settled();
    expect(heard.toSorted((a, b) => a.localeCompare(b))).toEqual([
      'a served',
      'a served',
      'a served',
      'b served',
    ]);
  });

  it('sent directly is declined where the instance is not held, so that its sender asks all', () => {
    const world = new World({ ...DEFAULT_LIMITS, requests: 2 });
    world.serve = () => new Promise(() => undefined);
    for (const id of ['a', 'b']) take(world, id);
    world.takeDirect(LAST);
    expect(world.replies).toMatchObject([{ error: { code: 'conflict' } }]);
  });
});

it('a request that is sent over and over keeps its first sender and the newest ones', async () => {
  const world = new World();
  world.acquired(FIRST);
  let serve = (): void => undefined;
  const served = new Promise<void>((resolve) => (serve = resolve));
  world.serve = () =>
    served.then(() => ({ kind: 'answered', reply: 'served', recorded: true }) as const);
  const answered: number[] = [];
  for (let nth = 0; nth < 1_000; nth += 1)
    world.router.take(world.operation(FIRST), () => void answered.push(nth));
  serve();
  await settled();
  expect(answered).toEqual([0, ...Array.from({ length: 15 }, (_, nth) => 985 + nth)]);
  expect(world.counted).toHaveLength(984);
});

describe('unread broadcasts', () => {
  it('count for the total, and are not kept beyond it', async () => {
    const world = new World({ ...DEFAULT_LIMITS, requests: 50 });
    for (const instanceId of [FIRST, LAST]) world.heldBy(OTHERS[0]!, instanceId);
    for (let nth = 0; nth < 1_000; nth += 1) {
      world.heldBy(OTHERS[0]!, `i${nth}`);
      world.receive(`i${nth}`, () => world.operation(`i${nth}`));
    }
    expect(world.router.remembered).toBe(50);
    expect(world.replies).toEqual([]);
    world.router.close();
    await settled();
    expect(world.router.remembered).toBe(0);
  });
});
