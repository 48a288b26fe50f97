import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually, TestCluster } from '../harness/replicas.ts';
import { NATS_ONLY, runJson } from './command-line.ts';

const NOTE = { id: 'note', assert: [{ input: '/n', exists: true }] };
const GATE = { id: 'gate', await: { claim: 'never', statuses: ['open'] } };
const RUNBOOKS = [
  { runbook: 'report', version: 1, inputs: ['n'], cells: [NOTE] },
  { runbook: 'slow', version: 1, inputs: [], cells: [GATE] },
];
/** The first second of each year: it does not come while the tests run. */
const YEARLY = '0 0 1 1 *';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.start({ replicas: 2 });
  for (const runbook of RUNBOOKS) await cluster.pushRunbook(runbook);
});
afterAll(() => cluster?.stop());

type Reply = Record<string, unknown> & {
  error?: { code: string; message: string; field?: string };
};

const ask = (verb: string, body: object): Promise<Reply> =>
  cluster.request(cluster.subject('schedule', verb), body);
const put = (scheduleId: string, over: object = {}): Promise<Reply> =>
  ask('put', { scheduleId, runbookId: 'report', inputs: { n: 1 }, agentId: 'ann', ...over });
const change = (verb: string, scheduleId: string): Promise<Reply> =>
  ask(verb, { scheduleId, agentId: 'bob' });

interface TickReply {
  tick: string;
  outcome: string;
  instanceId?: string;
  reason?: string;
}

/** The ticks of a schedule once one has this outcome. */
async function untilTick(scheduleId: string, outcome: string): Promise<TickReply[]> {
  return eventually(async () => {
    const { ticks = [] } = (await change('get', scheduleId)) as { ticks?: TickReply[] };
    return ticks.some((tick) => tick.outcome === outcome) ? ticks : undefined;
  });
}

describe('a schedule', () => {
  it('is put once, revised, paused, resumed and deleted; each is a revision', async () => {
    const year = new Date().getUTCFullYear() + 1;
    const next = Array.from({ length: 5 }, (_, nth) => `${year + nth}-01-01T00:00:00Z`);
    expect(await put('life', { cron: YEARLY })).toEqual({ scheduleId: 'life', revision: 1, next });
    expect(await put('life', { cron: YEARLY, timezone: 'UTC' })).toMatchObject({ revision: 1 });
    expect(await change('get', 'life')).toEqual({
      scheduleId: 'life',
      revision: 1,
      next,
      runbookId: 'report',
      cron: YEARLY,
      timezone: 'UTC',
      inputs: { n: 1 },
      overlap: 'skip',
      catchUp: 'last',
      unattended: true,
      paused: false,
      agentId: 'ann',
      recordedAt: expect.any(String),
      ticks: [],
    });
    const berlin = { cron: YEARLY, timezone: 'Europe/Berlin', jitter: '1h', catchUp: 'none' };
    expect(await put('life', berlin)).toMatchObject({
      revision: 2,
      next: [
        `${year - 1}-12-31T23:00:00Z`,
        ...next
          .slice(0, 4)
          .map((tick) => tick.replace(/^(\d+)-01-01T00/, (_, y: string) => `${y}-12-31T23`)),
      ],
    });
    expect(await change('pause', 'life')).toEqual({ scheduleId: 'life', revision: 3, next: [] });
    expect(await change('pause', 'life')).toMatchObject({ revision: 3 });
    // What is put stays paused.
    expect(await put('life', { cron: YEARLY })).toMatchObject({ revision: 4, next: [] });
    expect(await change('resume', 'life')).toMatchObject({ revision: 5, next });
    expect(await change('resume', 'life')).toMatchObject({ revision: 5 });
    expect(await change('delete', 'life')).toEqual({ scheduleId: 'life', revision: 6, next: [] });
    for (const verb of ['get', 'pause', 'resume', 'delete'])
      expect(await change(verb, 'life')).toMatchObject({
        error: {
          code: 'not_found',
          field: 'scheduleId',
          message: expect.stringMatching(/deleted by bob .*put it again/),
        },
      });
    expect(await put('life', { cron: YEARLY })).toMatchObject({ revision: 7, next });
    await change('delete', 'life');
    const { rows } = await cluster.app.query(
      `select revision, paused, deleted, agent_id from leasehold.schedules where schedule_id = 'life' order by revision`,
    );
    expect(rows.map((row: object) => Object.values(row).join())).toEqual([
      '1,false,false,ann',
      '2,false,false,ann',
      '3,true,false,bob',
      '4,true,false,ann',
      '5,false,false,bob',
      '6,false,true,bob',
      '7,false,false,ann',
      '8,false,true,bob',
    ]);
  });

  it('starts an instance at each tick, named after it, which says where it is from', async () => {
    await put('each', { every: '1s', overlap: 'allow', unattended: false });
    const ticks = await untilTick('each', 'started');
    await change('delete', 'each');
    const { tick, instanceId = '' } = ticks.at(-1)!;
    expect(instanceId).toBe(`each-${tick.replaceAll(/[-:]/g, '')}`);
    expect(await cluster.status(instanceId)).toMatchObject({
      instanceId,
      runbookId: 'report',
      status: 'ready',
      schedule: { scheduleId: 'each', tick },
    });
    expect(await cluster.advance(instanceId, 'each-1')).toMatchObject({ outcome: 'completed' });
    // Nobody else can say so.
    const start = { instanceId: 'forged', runbookId: 'report', inputs: { n: 1 }, agentId: 'eve' };
    expect(
      await cluster.request(cluster.subject('start'), {
        ...start,
        schedule: { scheduleId: 'each', tick },
      }),
    ).toMatchObject({ error: { code: 'invalid', field: 'schedule' } });
  });

  it('gives its instance another name if somebody has the first one', async () => {
    await put('taken', { cron: YEARLY, overlap: 'allow' });
    const from = Date.now() + 4_000;
    for (let second = 0; second < 6; second += 1) {
      const time = new Date(from + second * 1_000).toISOString();
      const id = `taken-${time.replaceAll(/[-:]|\.\d{3}/g, '')}`;
      await cluster.start(id, 'report', { n: 2 });
    }
    await put('taken', { every: '1s', overlap: 'allow' });
    const other = await eventually(async () => {
      const { ticks = [] } = (await change('get', 'taken')) as { ticks?: TickReply[] };
      return ticks.find(({ instanceId = '' }) => /Z-[0-9a-f]{32}$/.test(instanceId));
    });
    await change('delete', 'taken');
    expect(other.instanceId).toBe(
      `taken-${other.tick.replaceAll(/[-:]/g, '')}-${other.instanceId?.slice(-32)}`,
    );
    expect(await cluster.status(other.instanceId ?? '')).toMatchObject({
      schedule: { scheduleId: 'taken', tick: other.tick },
    });
  });

  it('skips the ticks that come while the instance before it has not ended', async () => {
    await put('slow', { runbookId: 'slow', inputs: {}, every: '1s' });
    const ticks = await untilTick('slow', 'skipped');
    const started = ticks.filter(({ outcome }) => outcome === 'started');
    expect(started).toHaveLength(1);
    const [{ instanceId = '' } = {}] = started;
    expect(ticks[0]).toMatchObject({
      outcome: 'skipped',
      reason: `overlap: ${instanceId} has not ended`,
    });
    const cancel = { agentId: 'ann', reason: 'enough' };
    await cluster.request(cluster.subject('cancel', instanceId), cancel);
    await eventually(async () => {
      const { ticks: now = [] } = (await change('get', 'slow')) as { ticks?: TickReply[] };
      return now.find((tick) => tick.outcome === 'started' && tick.instanceId !== instanceId);
    });
    await change('delete', 'slow');
  });

  it('records a tick whose inputs no longer fit the newest version, and shows why', async () => {
    const book = { runbook: 'moving', version: 1, inputs: ['n'], cells: [NOTE] };
    await cluster.pushRunbook(book);
    await put('moving', { runbookId: 'moving', cron: YEARLY });
    await cluster.pushRunbook({ ...book, version: 2, inputs: ['n', 'm'] });
    expect(await put('moving', { runbookId: 'moving', every: '1s' })).toMatchObject({
      error: { code: 'invalid', field: 'inputs', message: expect.stringContaining('missing m') },
    });
    // Pinned to a version, it stays right.
    await put('moving', { runbookId: 'moving', version: 1, every: '1s', overlap: 'allow' });
    await untilTick('moving', 'started');
    await change('delete', 'moving');
    await cluster.app.query(
      `insert into leasehold.schedules (schedule_id, revision, runbook_id, every, inputs, agent_id)
         values ('unpinned', 1, 'moving', '1s', '{"n": 1}', 'ann')`,
    );
    const ticks = await untilTick('unpinned', 'invalid');
    expect(ticks.find(({ outcome }) => outcome === 'invalid')).toMatchObject({
      reason: expect.stringMatching(/^moving version 2: inputs: missing m/),
    });
    const shown = await cluster.cli(['schedule', 'show', 'unpinned']);
    expect(shown.stdout).toMatch(/could start nothing: moving version 2: inputs: missing m/);
    await change('delete', 'unpinned');
  });

  it.each([
    [{ runbookId: 'nobody', cron: YEARLY }, 'not_found', 'runbookId', /nobody/],
    [{ version: 9, cron: YEARLY }, 'not_found', 'runbookId', /version 9/],
    [{ inputs: {}, cron: YEARLY }, 'invalid', 'inputs', /missing n/],
    [{}, 'invalid', 'cron', /give cron/],
    [{ cron: '99 * * * *' }, 'invalid', 'cron', /minute/],
    [{ cron: YEARLY, timezone: 'Mars' }, 'invalid', 'timezone', /IANA/],
    [{ cron: YEARLY, later: true }, 'invalid', 'later', /not a field/],
    [{ cron: YEARLY, scheduleId: 'a b' }, 'invalid', 'scheduleId', /1 to 128/],
  ])('%j is refused and changes nothing', async (over, code, field, message) => {
    expect(await put('refused', over)).toMatchObject({
      error: { code, field, message: expect.stringMatching(message) },
    });
    expect(await change('get', 'refused')).toMatchObject({ error: { code: 'not_found' } });
  });
});

describe('the command line', () => {
  it('puts, lists, shows and changes schedules with NATS alone', async () => {
    const run = (line: string) => runJson(cluster, `schedule ${line}`, NATS_ONLY);
    const year = new Date().getUTCFullYear() + 1;
    const putting =
      'put nightly --runbook report --input n:=3 --cron @yearly --timezone Asia/Tokyo';
    expect(await run(`${putting} --catch-up all --overlap allow --attended`)).toMatchObject({
      code: 0,
      lines: [{ scheduleId: 'nightly', revision: 1 }],
    });
    expect((await run('show nightly')).lines).toMatchObject([
      { inputs: { n: 3 }, catchUp: 'all', overlap: 'allow', unattended: false, cron: '@yearly' },
    ]);
    expect((await run('list')).lines).toMatchObject([
      { scheduleId: 'nightly', next: [`${year - 1}-12-31T15:00:00Z`] },
    ]);
    expect((await run('next nightly --count 2')).lines).toEqual([
      { tick: `${year - 1}-12-31T15:00:00Z` },
      { tick: `${year}-12-31T15:00:00Z` },
    ]);
    expect((await run('next --every 1h --count 3')).lines).toHaveLength(3);
    for (const verb of ['pause', 'resume', 'delete'])
      expect(await run(`${verb} nightly`)).toMatchObject({
        code: 0,
        lines: [{ scheduleId: 'nightly' }],
      });
    expect(await run('show nightly')).toMatchObject({
      code: 3,
      lines: [{ error: { code: 'not_found' } }],
    });
    expect(await run('put x --runbook report --every 10ms')).toMatchObject({
      code: 2,
      lines: [{ error: { code: 'invalid', field: 'every' } }],
    });
    expect(await run('next')).toMatchObject({ code: 2 });
    expect(await run('next --cron nonsense')).toMatchObject({ code: 2 });
  });
});
