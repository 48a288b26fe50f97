import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { TestCluster } from '../harness/replicas.ts';
import { Receiver } from './receiver.ts';
import { post, push } from './runbooks.ts';

/** A cluster of one replica, which may call what the list says. */
async function startCluster(allow: string | undefined): Promise<TestCluster> {
  const cluster = await TestCluster.start({ env: { LEASEHOLD_HTTP_ALLOW: allow } });
  const cancel = {
    runbook: 'cancel',
    version: 1,
    inputs: ['order'],
    cells: [
      {
        id: 'call',
        exec: {
          http: {
            method: 'POST',
            url: `${receiver.url}/orders/\${inputs.order}/cancel`,
            headers: { authorization: 'Bearer s3cret', 'x-order': '${inputs.order}' },
          },
        },
      },
    ],
  };
  await Promise.all([push(cluster, post, cancel), cluster.startReplica('a')]);
  return cluster;
}

let receiver: Receiver;
let permitted: TestCluster;
let byDefault: TestCluster;

beforeAll(async () => {
  receiver = await Receiver.listen();
  [permitted, byDefault] = await Promise.all([startCluster(receiver.url), startCluster(undefined)]);
});

afterAll(async () => {
  await Promise.all([permitted?.stop(), byDefault?.stop()]);
  await receiver?.close();
});

/** Runs an instance, whose one cell must fail, and gives the row that says so. */
async function refusal(
  cluster: TestCluster,
  instanceId: string,
  [runbookId, inputs]: [string, object],
): Promise<string> {
  await cluster.start(instanceId, runbookId, inputs);
  const receipt = await cluster.advance(instanceId, `q-${instanceId}`);
  expect(receipt.outcome).toBe('halted');
  const rows = await cluster.rows(instanceId);
  expect(rows.map(({ kind }) => kind)).toEqual(['started', 'failed']);
  const body = JSON.stringify(rows[1]?.body);
  expect(body).toContain('"notBegun":true');
  return body;
}

describe('an input', () => {
  it('stays one segment of the path, with the header that goes with the route', async () => {
    await permitted.start('a-slash', 'cancel', { order: '7/../8' });
    expect(await permitted.advance('a-slash', 'q-slash')).toMatchObject({ outcome: 'completed' });
    expect(receiver.count('/orders/7%2F..%2F8/cancel')).toBe(1);
    expect(receiver.count('/orders/8/cancel')).toBe(0);
  });

  it.each([
    ['dots', '..'],
    ['encoded', '%2e%2E'],
    ['none', ''],
    ['header', '7\r\nx-admin: 1'],
  ])(
    'that would change the request is refused before anything is sent: %s',
    async (name, order) => {
      const before = receiver.arrivals.length;
      await refusal(permitted, `a-${name}`, ['cancel', { order }]);
      expect(receiver.arrivals).toHaveLength(before);
    },
  );
});

describe('a replica', () => {
  it('calls what LEASEHOLD_HTTP_ALLOW lists, also where an input gives the origin', async () => {
    await permitted.start('listed', 'post', { url: `${receiver.url}/listed` });
    expect(await permitted.advance('listed', 'q-listed')).toMatchObject({ outcome: 'completed' });
    expect(receiver.count('/listed')).toBe(1);
  });

  it('calls nothing else then', async () => {
    const url = receiver.url.replace('http:', 'https:');
    expect(await refusal(permitted, 'unlisted', ['post', { url }])).toContain(
      "is not in this replica's LEASEHOLD_HTTP_ALLOW",
    );
    await refusal(permitted, 'port', ['post', { url: 'http://127.0.0.1:1/' }]);
  });

  it.each(['127.0.0.1', 'localhost', '0.0.0.0', '[::ffff:7f00:1]'])(
    'does not call its own machine where no list permits it: %s',
    async (host) => {
      const before = receiver.arrivals.length;
      const url = receiver.url.replace('127.0.0.1', host);
      const instanceId = `own-${host.replaceAll(/\W/g, '-')}`;
      expect(await refusal(byDefault, instanceId, ['post', { url }])).toContain(
        'LEASEHOLD_HTTP_ALLOW',
      );
      expect(receiver.arrivals).toHaveLength(before);
    },
  );

  it('does not start with a list that it cannot read, and names the entry', async () => {
    const { code, stderr } = await permitted.cli(['advancer'], {
      LEASEHOLD_HTTP_ALLOW: '10.0.0.0/8,http://a.example/path',
    });
    expect(code).toBe(2);
    expect(stderr).toContain('LEASEHOLD_HTTP_ALLOW entry 2 "http://a.example/path" must be');
  });
});
