import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';

import { TestCluster, eventually } from '../harness/replicas.ts';
import { FollowedProcess, processState } from './child.ts';
import { Receiver } from './receiver.ts';
import { POST, post, push } from './runbooks.ts';
import { ReadyLine, read } from './shapes.ts';

const POINTS = [
  'before_intent',
  'after_intent',
  'in_effect',
  'after_effect',
  'after_outcome',
] as const;
const DELAY_MS = 1_000;

let cluster: TestCluster;
let receiver: Receiver;
let replica: FollowedProcess | undefined;

const cell = (id: string, more: object = {}) => ({
  runbook: id,
  version: 1,
  inputs: ['url'],
  cells: [{ id, exec: POST, ...more }],
});

beforeAll(async () => {
  [cluster, receiver] = await Promise.all([TestCluster.start(), Receiver.listen()]);
  await push(
    cluster,
    post,
    {
      ...cell('charge'),
      cells: [
        { id: 'charge', exec: POST },
        { id: 'other', exec: POST },
      ],
    },
    ...POINTS.map((point) => cell(point)),
    cell('killed'),
    cell('left'),
    cell('erred', { onInterrupt: 'rerun' }),
  );
});

afterEach(async () => {
  await replica?.end();
});

afterAll(async () => {
  await cluster?.stop();
  await receiver?.close();
});

/** Starts the only replica of the namespace, so that it serves every request. */
async function startReplica(failpoints: string): Promise<FollowedProcess> {
  replica = FollowedProcess.leasehold(['advancer', '--json'], {
    ...cluster.env,
    LEASEHOLD_FAILPOINTS: failpoints,
  });
  read(ReadyLine, await replica.firstLine());
  return replica;
}

const begin = async (instanceId: string, runbookId: string, requestId: string) => {
  await cluster.start(instanceId, runbookId, { url: `${receiver.url}/${instanceId}` });
  return cluster.advance(instanceId, requestId, {}, 20_000);
};

const kinds = async (instanceId: string) =>
  (await cluster.rows(instanceId)).map(({ kind }) => kind);

describe('the failpoints', () => {
  it('are where their names say, several joined by ";"; delay:<ms> waits and continues', async () => {
    const child = await startReplica(
      POINTS.map((point) => `${point}=delay:${DELAY_MS}@cell:${point},nth:1`).join(';'),
    );
    const seen = await Promise.all(
      POINTS.map(async (point) => {
        const startMs = performance.now();
        const receipt = begin(point, point, `${point}-1`);
        await child.until(({ stderr }) => stderr.includes(`"failpoint":"${point}"`) || undefined);
        // The point has been reached and its delay lasts: this is the state at that point.
        if (point === 'in_effect') await receiver.arrived(`/${point}`);
        const at = { rows: await kinds(point), effects: receiver.count(`/${point}`) };
        expect(await receipt).toMatchObject({ outcome: 'completed' });
        expect(performance.now() - startMs).toBeGreaterThan(DELAY_MS * 0.95);
        expect(await kinds(point)).toEqual(['started', 'completed']);
        return [point, at];
      }),
    );
    expect(Object.fromEntries(seen)).toEqual({
      before_intent: { rows: [], effects: 0 },
      after_intent: { rows: ['started'], effects: 0 },
      in_effect: { rows: ['started'], effects: 1 },
      after_effect: { rows: ['started'], effects: 1 },
      after_outcome: { rows: ['started', 'completed'], effects: 1 },
    });
  });

  it('after_intent=freeze@cell:charge,nth:1 stops the process there, once, and SIGCONT continues it', async () => {
    const child = await startReplica('after_intent=freeze@cell:charge,nth:1');
    expect((await begin('unmoved', 'post', 'unmoved-1')).outcome, 'another cell').toBe('completed');
    const receipt = begin('frozen', 'charge', 'frozen-1');
    await eventually(async () => processState(child.pid) === 'T' || undefined);
    expect(await kinds('frozen')).toEqual(['started']);
    expect(receiver.count('/frozen')).toBe(0);
    child.signal('SIGCONT');
    expect((await receipt).outcome).toBe('completed');
    expect(receiver.count('/frozen'), 'both cells').toBe(2);
    expect((await begin('second', 'charge', 'second-1')).outcome, 'nth:1 only').toBe('completed');
  });

  it('kill ends the process as SIGKILL does', async () => {
    const child = await startReplica('after_effect=kill@cell:killed');
    const receipt = begin('killed', 'killed', 'killed-1').catch(() => undefined);
    expect(await child.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(await kinds('killed')).toEqual(['started']);
    expect(receiver.count('/killed')).toBe(1);
    void receipt;
  });

  it('exit ends the process with an exit code', async () => {
    const child = await startReplica('after_outcome=exit@cell:left');
    const receipt = begin('left', 'left', 'left-1').catch(() => undefined);
    const { code, signal } = await child.exited;
    expect(signal).toBeNull();
    expect(code).not.toBe(0);
    expect(await kinds('left')).toEqual(['started', 'completed']);
    void receipt;
  });

  it.each(POINTS)(
    '%s=error affects that request only, and the process continues',
    async (point) => {
      const instanceId = `erred-${point}`;
      await startReplica(`${point}=error@cell:erred,nth:1`);
      const receipt = await begin(instanceId, 'erred', `${instanceId}-1`);
      expect(['completed', 'unavailable']).toContain(receipt.outcome);
      const again = await cluster.advance(instanceId, `${instanceId}-1`);
      expect(again.outcome).toBe('completed');
      expect((await kinds(instanceId)).at(-1)).toBe('completed');
      expect((await begin(`${instanceId}-next`, 'post', `${instanceId}-next`)).outcome).toBe(
        'completed',
      );
    },
  );

  it.each([
    ['nowhere=kill', 'nowhere=kill'],
    ['after_intent', 'after_intent'],
    ['after_intent=explode', 'after_intent=explode'],
    ['after_intent=delay:soon', 'after_intent=delay:soon'],
    ['after_intent=freeze@planet:mars', 'after_intent=freeze@planet:mars'],
    ['after_intent=freeze@nth:0', 'after_intent=freeze@nth:0'],
    ['before_intent=kill@cell:a;after_intent=nothing@cell:b', '"after_intent=nothing@cell:b"'],
  ])('%s is refused at start, naming the part', async (text, part) => {
    const refused = await cluster.cli(['advancer', '--json'], { LEASEHOLD_FAILPOINTS: text });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('LEASEHOLD_FAILPOINTS');
    expect(refused.stderr).toContain(part);
    expect(refused.stdout).not.toContain('"ready"');
  });
});
