import { beforeEach, describe, expect, it } from 'vitest';

import { LogUnavailable } from '../../../../advancer/log/log.ts';
import { StoredSettler } from '../../../../advancer/queue/settle-stored.ts';
import { SettlerWorld, delivered, receiptOf } from './fixture.ts';

let world: SettlerWorld;
beforeEach(() => {
  world = new SettlerWorld();
});

const settle = (over: Parameters<typeof delivered>[0] = {}) =>
  new StoredSettler(world.options).settle(delivered(over));

describe('a stored request', () => {
  it('is at its end once its receipt is in the log', async () => {
    world.serve = () => {
      world.recorded.set('q', receiptOf('q'));
      return Promise.resolve();
    };
    expect(await settle()).toEqual({ do: 'ack' });
    expect(world.taken).toEqual(['enqueue/i/q late']);
  });

  it('is not served again if it has its receipt, here or in the log', async () => {
    world.receipts.add('q', receiptOf('q'));
    world.recorded.set('q2', receiptOf('q2', { outcome: 'parked' }));
    expect(await settle()).toEqual({ do: 'ack' });
    expect(await settle({ body: { requestId: 'q2', agentId: 'ann' } })).toEqual({ do: 'ack' });
    expect(world.taken).toEqual([]);
  });

  it('is tried again if it was let go without a receipt, although somebody says that it is answered', async () => {
    expect(await settle()).toEqual({ do: 'retry', afterMs: 200 });
    expect(await settle({ deliveries: 3 })).toEqual({ do: 'retry', afterMs: 800 });
    expect(await settle({ deliveries: 3_000 })).toEqual({ do: 'retry', afterMs: 5_000 });
  });

  it('is left to the replica that saw it on the bus, while it is young', async () => {
    const storedAtMs = world.clock.wallMs() - 500;
    await settle({ storedAtMs });
    await settle({ storedAtMs, deliveries: 2 });
    expect(world.taken).toEqual(['enqueue/i/q', 'enqueue/i/q late']);
  });

  it('does not keep its place for as long as it runs', async () => {
    world.serve = () => new Promise(() => undefined);
    const settled = settle();
    await world.clock.advance(59_000);
    await world.clock.advance(1_000);
    expect(await settled).toEqual({ do: 'retry', afterMs: 200 });
    expect(world.clock.timers).toBe(0);
  });

  it.each([
    [{}, 'not_found', { code: 'not_found' }],
    [{ expiresAt: '2001-01-01T00:00:00Z' }, 'expired', { code: 'expired' }],
    [{ wait: true }, 'invalid', { code: 'invalid', field: 'wait' }],
  ])('on no instance, with %o, is refused as %s', async (more, outcome, error) => {
    const body = { requestId: 'q', agentId: 'ann', ...more };
    const subject = 'leasehold.test.enqueue.none';
    expect(await settle({ subject, body })).toEqual({ do: 'ack' });
    expect(world.refusals).toMatchObject([
      {
        instanceId: 'none',
        requestId: 'q',
        agentId: 'ann',
        receipt: { outcome, holder: null, error },
      },
    ]);
    expect(world.taken).toEqual([]);
  });

  it('is served if its instance has been started meanwhile', async () => {
    world.refused = () => {
      world.instances.add('none');
      return 'moved_on';
    };
    const again = await settle({ subject: 'leasehold.test.enqueue.none' });
    expect(again).toMatchObject({ do: 'retry' });
    await settle({ subject: 'leasehold.test.enqueue.none' });
    expect(world.taken).toEqual(['enqueue/none/q late']);
  });

  it('waits for Postgres, which is no error of the request', async () => {
    world.broken = new LogUnavailable('down');
    for (let deliveries = 1; deliveries < 30; deliveries += 1)
      expect(await settle({ deliveries })).toEqual({ do: 'retry', afterMs: 1_000 });
    expect(world.logTroubles).toBe(29);
    world.broken = undefined;
    expect(await settle()).toMatchObject({ do: 'retry' });
  });
});

describe('what cannot be served', () => {
  it.each([
    ['{"requestId": 7, "agentId": "ann"}', 'request id'],
    ['not JSON', 'request id'],
    [`{"requestId": "q", "x": ${'['.repeat(100)}${']'.repeat(100)}}`, 'request id'],
    [`{"requestId": "q", "x": "${'x'.repeat(9_000)}"}`, 'request id'],
    ['{"requestId": "auto_1", "agentId": "ann"}', 'auto_'],
  ])('%.60s is for people to look at', async (body, why) => {
    const settled = await settle({ body });
    expect(settled).toMatchObject({ do: 'poison' });
    expect(settled.do === 'poison' && settled.reason).toContain(why);
    expect(world.taken).toEqual([]);
  });

  it('is one without an instance id, or whose request id is another instance’s', async () => {
    expect(await settle({ subject: 'leasehold.test.enqueue.ö' })).toMatchObject({ do: 'poison' });
    world.recorded.set('q', receiptOf('q', { instanceId: 'other' }));
    const settled = await settle();
    expect(settled.do === 'poison' && settled.reason).toContain('used for instance other');
  });

  it('is one that fails again and again; deliveries do not count', async () => {
    expect(await settle({ deliveries: 1_000_000 })).toMatchObject({ do: 'retry' });
    const pauses: number[] = [];
    let failures = 0;
    world.serve = ({ key }) => {
      failures += 1;
      world.errors.add(key, `broken ${failures}`);
      return Promise.resolve();
    };
    let settled = await settle();
    for (; settled.do === 'retry'; settled = await settle()) pauses.push(settled.afterMs);
    expect(settled).toEqual({
      do: 'poison',
      reason: 'serving it failed 8 times, the last time: broken 8',
      key: 'enqueue/i/q',
    });
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
    // It is not tried once more first.
    expect(await settle()).toMatchObject({ do: 'poison' });
    expect(failures).toBe(8);
  });

  it('counts errors of reading the log that are none of the server', async () => {
    world.broken = new Error('no such column');
    for (let nth = 1; nth < 8; nth += 1) expect(await settle()).toMatchObject({ do: 'retry' });
    const settled = await settle();
    expect(settled.do === 'poison' && settled.reason).toContain('no such column');
  });
});
