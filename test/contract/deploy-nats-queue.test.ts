import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { Agent } from '../../src/agent/agent.ts';
import { Refusals, TemplateNats, type TemplateUser } from '../harness/nats-template.ts';
import { eventually, type TestCluster } from '../harness/replicas.ts';
import { freshNamespace } from '../harness/servers.ts';
import { templateCluster } from '../harness/template-cluster.ts';

/* What the templates let replicas and agents do with enqueued requests. */

describe.each(['accounts.conf', 'permissions.conf'] as const)('deploy/nats/%s', (template) => {
  const byAccounts = template === 'accounts.conf';
  const namespace = freshNamespace();
  const subject = (...parts: string[]): string => ['leasehold', namespace, ...parts].join('.');
  let nats: TemplateNats;
  let cluster: TestCluster;

  beforeAll(async () => {
    nats = await TemplateNats.start(template, namespace);
    cluster = await templateCluster(nats, { namespace, replicas: 1, byAccounts });
    const cells = [{ id: 'one', exec: { command: ['true'] } }];
    await cluster.pushRunbook({ runbook: 'steps', version: 1, inputs: [], cells });
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

  it('lets an agent enqueue, and records whose request it is', async () => {
    const billing = await agent('billing');
    await billing.start('queued', { runbookId: 'steps' });
    const { requestId, stream } = await billing.enqueue('queued');
    expect(stream).toBe(`LEASEHOLD_${namespace}_ENQUEUE`);
    const stored = await eventually(async () => {
      const { rows } = await cluster.app.query<{ agent_id: string; outcome: string }>(
        `select agent_id, receipt ->> 'outcome' as outcome from leasehold.requests where request_id = $1`,
        [requestId],
      );
      return rows[0];
    });
    expect(stored).toEqual({ agent_id: 'billing', outcome: 'completed' });
  });

  it('lets replicas keep what cannot be served, and put it back as it was', async () => {
    const operators = await agent('operators');
    await operators.start('claimed', { runbookId: 'steps' });
    // With accounts, somebody else's name is refused; without, nobody can tell.
    const other = await raw('billing');
    const requestId = `as-operators-${template.length}`;
    other.publish(
      subject('enqueue', 'claimed'),
      JSON.stringify({ requestId, agentId: 'operators' }),
    );
    const outcome = await eventually(async () => {
      const { rows } = await cluster.app.query<{ outcome: string; agent_id: string | null }>(
        `select receipt ->> 'outcome' as outcome, agent_id from leasehold.requests where request_id = $1`,
        [requestId],
      );
      return rows[0];
    });
    expect(outcome).toEqual(
      byAccounts
        ? { outcome: 'invalid', agent_id: null }
        : { outcome: 'completed', agent_id: 'operators' },
    );
    other.publish(subject('enqueue', 'claimed'), 'unreadable');
    const env = nats.env('replica');
    const listed = await eventually(async () => {
      const { stdout } = await cluster.cli(['requests', '--poison', '--json'], env);
      return stdout.includes('unreadable') ? stdout : undefined;
    });
    const { seq } = JSON.parse(listed) as { seq: number };
    const resent = await cluster.cli(['requests', '--resend', String(seq), '--json'], env);
    expect(resent).toMatchObject({ code: 0 });
    const asAgent = await cluster.cli(['requests', '--poison', '--json'], nats.env('billing'));
    expect(asAgent.code).toBe(5);
  });

  it('lets an agent neither read nor change what is enqueued', async () => {
    const stream = `LEASEHOLD_${namespace}_ENQUEUE`;
    const refusals = new Refusals(await raw('billing'));
    const forbidden = [
      `$JS.API.STREAM.DELETE.${stream}`,
      `$JS.API.STREAM.PURGE.${stream}`,
      `$JS.API.STREAM.MSG.GET.${stream}`,
      `$JS.API.CONSUMER.MSG.NEXT.${stream}.advancers`,
      `$JS.ACK.${stream}.advancers.1.1.1.1.0`,
      subject('poison'),
    ];
    expect(await refusals.ofPublishing(forbidden, '')).toEqual(forbidden);
    const unheard = [subject('enqueue', '*'), subject('poison')];
    expect(await refusals.ofSubscribing(unheard, () => undefined)).toEqual(unheard);
  });

  it('lets a replica administer its own streams only', async () => {
    const stream = `LEASEHOLD_${namespace}_ENQUEUE`;
    const refusals = new Refusals(await raw('replica'));
    const forbidden = [
      '$JS.API.STREAM.CREATE.OTHER',
      '$JS.API.STREAM.MSG.GET.OTHER',
      `$JS.API.STREAM.UPDATE.${stream}`,
      `$JS.API.STREAM.DELETE.${stream}`,
      `$JS.API.STREAM.PURGE.${stream}`,
    ];
    expect(await refusals.ofPublishing(forbidden, '')).toEqual(forbidden);
  });
});
