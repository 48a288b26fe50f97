import { headers, type NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { Agent } from '../../src/agent/agent.ts';
import { Refusals, TemplateNats, type TemplateUser } from '../harness/nats-template.ts';
import type { TestCluster } from '../harness/replicas.ts';
import { freshNamespace } from '../harness/servers.ts';
import { templateCluster } from '../harness/template-cluster.ts';

const STEP = { command: ['true'] };

const RUNBOOKS = [
  {
    runbook: 'steps',
    cells: [
      { id: 'one', exec: STEP },
      { id: 'two', exec: STEP },
      { id: 'three', exec: STEP },
    ],
  },
  { runbook: 'doubt', cells: [{ id: 'lost', exec: { command: ['sh', '-c', 'kill -KILL $$'] } }] },
  {
    runbook: 'gate',
    cells: [
      { id: 'go', await: { claim: 'go', statuses: ['yes'] } },
      { id: 'one', exec: STEP },
    ],
  },
];

describe.each(['accounts.conf', 'permissions.conf'] as const)('deploy/nats/%s', (template) => {
  const byAccounts = template === 'accounts.conf';
  const namespace = freshNamespace();
  const subject = (...parts: string[]): string => ['leasehold', namespace, ...parts].join('.');
  let nats: TemplateNats;
  let cluster: TestCluster;

  beforeAll(async () => {
    nats = await TemplateNats.start(template, namespace);
    cluster = await templateCluster(nats, { namespace, replicas: 2, byAccounts });
    for (const runbook of RUNBOOKS)
      await cluster.pushRunbook({ version: 1, inputs: [], ...runbook });
  }, 120_000);

  afterAll(async () => {
    await cluster?.stop();
    await nats?.stop();
  });

  async function agent(agentId: TemplateUser): Promise<Agent> {
    const made = await Agent.connect({ agentId, namespace, ...nats.agentLogin(agentId) });
    onTestFinished(() => made.close());
    return made;
  }

  async function raw(user: TemplateUser): Promise<NatsConnection> {
    const made = await nats.connect(user);
    onTestFinished(() => made.close());
    return made;
  }

  /** What everybody who may see all of the replicas' subjects sees with this body. */
  async function sightings(body: string): Promise<string[]> {
    const seen: string[] = [];
    const witness = await raw('replica');
    witness.subscribe(subject('>'), {
      callback: (_error, message) => {
        if (message.string() === body) seen.push(message.subject);
      },
    });
    await witness.flush();
    return seen;
  }

  async function agentIdsOf(instanceId: string): Promise<string[]> {
    const { rows } = await cluster.app.query<{ agent_id: string }>(
      `select distinct agent_id from leasehold.executions where instance_id = $1 and agent_id is not null`,
      [instanceId],
    );
    return rows.map(({ agent_id: id }) => id);
  }

  it('lets an agent start, advance, claim, read and watch', async () => {
    const billing = await agent('billing');
    const watched: string[] = [];
    const rows = billing.watch();
    await rows.begun();
    await billing.start('works', { runbookId: 'steps' });
    expect(await billing.advance('works')).toMatchObject({ outcome: 'completed', holder: {} });
    expect(await billing.status('works')).toMatchObject({ status: 'completed' });
    expect(await billing.runbook('steps')).toMatchObject({ runbook: 'steps', version: 1 });
    expect(await agentIdsOf('works')).toEqual(['billing']);
    await billing.start('waits', { runbookId: 'gate' });
    expect(await billing.advance('waits')).toMatchObject({ outcome: 'parked' });
    await billing.claim('go', { status: 'yes' });
    expect(await billing.advance('waits')).toMatchObject({ outcome: 'completed' });
    const due = [...(await cluster.rows('waits')), ...(await cluster.rows('works'))];
    for await (const row of rows)
      if (watched.push(`${row.cell_id} ${row.kind}`) === due.length) break;
    expect(watched).toEqual(due.map((row) => `${row.cell_id} ${row.kind}`));
  });

  it('lets it ask the holder alone', async () => {
    const asked: string[] = [];
    const witness = await raw('replica');
    witness.subscribe(subject('replica', '*', 'advance', '*'), {
      callback: (_error, message) => void asked.push(message.subject),
    });
    await witness.flush();
    const billing = await agent('billing');
    await billing.start('direct', { runbookId: 'steps' });
    const { holder } = await billing.advance('direct', { maxCells: 1 });
    expect(await billing.advance('direct', { maxCells: 1 })).toMatchObject({ holder });
    expect(asked).toEqual([subject('replica', holder!.replicaId, 'advance', 'direct')]);
  });

  it('lets only an agent that may decide and cancel do so', async () => {
    const [billing, operators] = [await agent('billing'), await agent('operators')];
    await billing.start('unsure', { runbookId: 'doubt' });
    expect(await billing.advance('unsure')).toMatchObject({ outcome: 'in_doubt' });
    const decision = { cellId: 'lost', attempt: 1, as: 'succeeded', reason: 'seen' } as const;
    await expect(billing.decide('unsure', decision)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await cluster.rows('unsure')).toMatchObject([{}, { kind: 'interrupted' }]);
    expect(await operators.decide('unsure', decision)).toMatchObject({ as: 'succeeded' });
    expect((await cluster.rows('unsure')).at(-1)).toMatchObject({
      kind: 'decided',
      body: { by: 'operators' },
    });
    await billing.start('unwanted', { runbookId: 'steps' });
    const why = { reason: 'not wanted', timeoutMs: 2_000 };
    await expect(billing.cancel('unwanted', why)).rejects.toMatchObject({ code: 'unavailable' });
    expect(await operators.cancel('unwanted', why)).toMatchObject({ status: 'cancelled' });
  });

  it('refuses an agent every subject on which replicas hear each other, and forged events', async () => {
    const seen = await sightings('forged');
    const [{ replicaId } = { replicaId: '' }] = cluster.replicas;
    const forbidden = [
      subject('replica', replicaId),
      subject('replica', replicaId, 'runs'),
      subject('replica', replicaId, 'advance'),
      ...['answered', 'leaving', 'placed', 'due'].map((verb) => subject(verb)),
      subject('settle', 'works'),
      subject('event', 'works'),
      subject('decide', 'works'),
      subject('cancel', 'works'),
      'leasehold.another.start',
    ];
    const refusals = new Refusals(await raw('billing'));
    expect(await refusals.ofPublishing(forbidden, 'forged')).toEqual(forbidden);
    expect(seen).toEqual([]);
    const allowed = [
      subject('advance', 'works'),
      subject('replica', replicaId, 'advance', 'works'),
    ];
    expect(await refusals.ofPublishing(allowed, 'forged')).toEqual([]);
    expect(seen.toSorted()).toEqual(allowed.toSorted());
  });

  it('refuses an agent the inboxes of others, and the administration of the server', async () => {
    const forbidden = [
      '_INBOX.operators.x',
      '_INBOX.replica.x',
      '_R_.x.y',
      '$JS.API.STREAM.CREATE.MINE',
      '$JS.API.STREAM.PURGE.MINE',
      '$JS.API.INFO',
      '$SYS.REQ.SERVER.PING',
    ];
    const refusals = new Refusals(await raw('billing'));
    expect(await refusals.ofPublishing(forbidden, '')).toEqual(forbidden);
  });

  it('lets an agent hear nothing but its replies and the events', async () => {
    const heard: string[] = [];
    const refusals = new Refusals(await raw('billing'));
    const forbidden = [
      '>',
      'leasehold.>',
      subject('>'),
      subject('advance', '>'),
      subject('decide', '*'),
      subject('cancel', '*'),
      subject('replica', '>'),
      subject('leaving'),
      '_R_.>',
      '$JS.>',
      '$SYS.>',
      // With accounts, every account has inboxes that no other account can see.
      ...(byAccounts ? [] : ['_INBOX.>', '_INBOX.operators.>', '_INBOX.replica.>']),
    ];
    const receive = (message: { subject: string }): void => void heard.push(message.subject);
    expect(await refusals.ofSubscribing(forbidden, receive)).toEqual(forbidden);
    const allowed = [byAccounts ? '_INBOX.>' : '_INBOX.billing.>', subject('event', '>')];
    expect(await refusals.ofSubscribing(allowed, receive)).toEqual([]);
    const operators = await agent('operators');
    await operators.start('private', { runbookId: 'steps' });
    await operators.advance('private');
    expect([...new Set(heard)]).toEqual([subject('event', 'private')]);
  });

  it('sends replies nowhere but to the agent that asks', async () => {
    const heard: string[] = [];
    const victim = await raw('operators');
    victim.subscribe('_INBOX.operators.>', {
      callback: (_error, message) => void heard.push(message.subject),
    });
    await victim.flush();
    const seen = await sightings('');
    const billing = await raw('billing');
    const to = [
      '$JS.API.STREAM.PURGE.MINE',
      subject('leaving'),
      subject('event', 'works'),
      // With permissions only, the one protection is that nobody can guess an inbox.
      ...(byAccounts ? ['_INBOX.operators.guessed'] : []),
    ];
    for (const reply of to) billing.publish(subject('status', 'works'), '{}', { reply });
    await billing.flush();
    // Answered after those, by the same connections.
    for (let n = 0; n < 4; n += 1) await billing.request(subject('status', 'works'), '{}');
    await victim.flush();
    expect({ heard, seen }).toEqual({ heard: [], seen: [] });
  });

  it('refuses a connection without a login, or with a wrong password', async () => {
    await expect(nats.connectAs({})).rejects.toThrow(/authorization/i);
    const wrong = { user: 'billing', pass: 'password-of-operators' };
    await expect(nats.connectAs(wrong)).rejects.toThrow(/authorization/i);
  });

  it('records agent ids as documented: the account, or else what is claimed', async () => {
    const billing = await raw('billing');
    /** The field of the error that a message as `operators` gets; undefined if it is accepted. */
    const refused = async (verb: string[], body: object, lines: [string, string][] = []) => {
      const made = headers();
      for (const [name, value] of lines) made.append(name, value);
      const data = JSON.stringify({ agentId: 'operators', ...body });
      const reply = await billing.request(subject(...verb), data, {
        timeout: 10_000,
        headers: made,
      });
      return reply.json<{ error?: { field?: string } }>().error?.field;
    };
    const start = (instanceId: string, lines?: [string, string][]) =>
      refused(['start'], { instanceId, runbookId: 'steps', inputs: {} }, lines);
    const report: [string, string] = ['Nats-Request-Info', '{"acc":"operators"}'];
    const { replicaId } = cluster.replicas[0]!;
    const agentId = byAccounts ? 'agentId' : undefined;
    expect({
      claimed: await start('c-1'),
      forged: await start('c-2', [report]),
      hidden: await start('c-3', [['X', 'Nats-Request-Info'], report]),
      misspelt: await start('c-4', [['nats-request-info', '{"acc":"operators"}']]),
      twice: await start('c-5', [report, report]),
      claim: await refused(['claim', 'c'], { status: 'yes' }),
      advance: await refused(['advance', 'c-1'], { requestId: 'c-1' }, [report]),
      direct: await refused(['replica', replicaId, 'advance', 'c-1'], { requestId: 'c-2' }),
    }).toEqual({
      claimed: agentId,
      forged: agentId,
      hidden: agentId,
      misspelt: agentId,
      twice: 'agentId',
      claim: agentId,
      advance: agentId,
      direct: agentId,
    });
    const { rows } = await cluster.app.query<{ id: string }>(
      `select instance_id as id from leasehold.instances where agent_id = 'operators' and instance_id like 'c-%'
         union all select claim_id from leasehold.claims where agent_id = 'operators' order by id`,
    );
    const recorded = byAccounts ? [] : ['c', 'c-1', 'c-2', 'c-3', 'c-4'];
    expect(rows.map(({ id }) => id)).toEqual(recorded);
  });

  it('another replica takes over when the holder dies', async () => {
    const billing = await agent('billing');
    await billing.start('survives', { runbookId: 'steps' });
    const { holder } = await billing.advance('survives', { maxCells: 1 });
    cluster.byId(holder!.replicaId).kill();
    const receipt = await billing.advance('survives');
    expect(receipt.outcome).toBe('completed');
    expect(receipt.holder!.replicaId).not.toBe(holder!.replicaId);
  });
});
