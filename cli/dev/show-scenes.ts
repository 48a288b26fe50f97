import type { Holder, Receipt } from '../../src/request/receipt.ts';
import { receiptLine } from './show-stage.ts';
import type { Stage } from './show-stage.ts';

const RUNBOOK_CELLS = ['charge', 'notify'];
/** Longer than any scene takes, and shorter than the timeout of the cell that waits. */
const WITHHELD_MS = 9_000;
/** How long a call is drawn out so that two agents surely meet in it. */
const OVERLAP_MS = 400;

/** A refund that parks until it is approved. */
export async function parks(stage: Stage, instanceId: string): Promise<void> {
  stage.scene('A refund waits for its approval');
  await stage.start(instanceId, 'example-refund', 'order', RUNBOOK_CELLS);
  const receipt = await stage.agentA.advance(instanceId);
  stage.say('agent-a', `advances it  → ${receiptLine(receipt)}`);
  stage.check(
    receipt.outcome === 'parked',
    `${instanceId} should have parked, and was ${receipt.outcome}`,
  );
  sayHolder(stage, receipt.holder);
}

/** Two agents advance the same instance at the same moment: one runs it, the other runs nothing. */
export async function race(stage: Stage, instanceId: string): Promise<void> {
  stage.scene('Two agents advance it at the same moment');
  await stage.agentB.claim(instanceId, { status: 'approved' });
  stage.say('agent-b', `claims ${instanceId} approved`);
  await stage.ledger.delay(OVERLAP_MS);
  const receipts = await Promise.all([
    stage.agentA.advance(instanceId),
    stage.agentB.advance(instanceId),
  ]);
  await stage.ledger.delay(0);
  receipts.forEach((receipt, i) => {
    stage.say(i === 0 ? 'agent-a' : 'agent-b', `advances it  → ${receiptLine(receipt)}`);
  });
  const ran = receipts.filter(({ steps }) => steps.length > 0);
  stage.check(
    ran.length === 1,
    `${ran.length} of 2 racing requests ran something; one should have`,
  );
  stage.check(
    ran[0]?.outcome === 'completed',
    `${instanceId} should be completed, not ${ran[0]?.outcome}`,
  );
  sayHolder(stage, ran[0]?.holder ?? null);
  for (const cell of RUNBOOK_CELLS) await sayCount(stage, `${instanceId}/${cell}/1`);
}

/**
 * The holder is killed inside an effect that did not happen; the probe finds out, and it is run
 * again.
 */
export async function killedBeforeTheEffect(stage: Stage, instanceId: string): Promise<void> {
  stage.scene(
    'The holder is killed in the middle of a charge, and the probe finds out what happened',
  );
  const key = `${instanceId}/charge/1`;
  await stage.start(instanceId, 'example-refund', 'order', RUNBOOK_CELLS);
  await stage.agentB.claim(instanceId, { status: 'approved' });
  stage.say('ledger', 'is told to take its time before it records anything');
  await stage.ledger.delay(WITHHELD_MS, 'before');
  const waits = async (): Promise<boolean> => (await stage.ledger.waiting()) > 0;
  const holder = await askAndKill(stage, instanceId, 'charge', waits);
  const { receipt, log } = await holder.takenOver();
  stage.check(
    receipt.outcome === 'completed',
    `${instanceId} should be completed, not ${receipt.outcome}`,
  );
  stage.check(
    log.some((row) => row.cell_id === 'charge' && row.kind === 'completed' && row.attempt === 2),
    `${instanceId} should have completed its charge in attempt 2`,
  );
  stage.say('log', 'attempt 2 went out under the idempotency key of attempt 1:');
  stage.log(log);
  await sayCount(stage, key);
}

/**
 * The holder is killed inside an effect that happened, where nobody can be asked: a person decides.
 */
export async function killedAfterTheEffect(stage: Stage, instanceId: string): Promise<void> {
  stage.scene('The holder is killed in the middle of a payout that nobody may repeat on a guess');
  const key = `${instanceId}/pay/1`;
  await stage.start(instanceId, 'example-payout', 'account', ['pay']);
  stage.say('ledger', 'is told to record at once, and to withhold its answer');
  await stage.ledger.delay(WITHHELD_MS, 'after');
  const holder = await askAndKill(
    stage,
    instanceId,
    'pay',
    async () => (await stage.ledger.count(key)) > 0,
  );
  const { receipt } = await holder.takenOver();
  stage.check(
    receipt.outcome === 'in_doubt',
    `${instanceId} should be in doubt, not ${receipt.outcome}`,
  );
  const again = await stage.agentB.advance(instanceId);
  stage.say('agent-b', `advances it  → ${receiptLine(again)}`);
  stage.check(again.steps.length === 0, `${instanceId} was moved on although it was in doubt`);
  await sayCount(stage, key);
  stage.say('a person', `saw that in the ledger, and decides:`);
  const output = { key, count: await stage.ledger.count(key) };
  const reason = 'seen in the ledger';
  stage.say(
    '',
    `leasehold decide ${instanceId} --cell pay --attempt 1 --as succeeded --reason '${reason}' --output '${JSON.stringify(output)}'`,
  );
  await stage.agentB.decide(instanceId, {
    cellId: 'pay',
    attempt: 1,
    as: 'succeeded',
    reason,
    output,
  });
  const last = await stage.agentA.advance(instanceId);
  stage.say('agent-a', `advances it  → ${receiptLine(last)}`);
  stage.check(
    last.outcome === 'completed',
    `${instanceId} should be completed, not ${last.outcome}`,
  );
  stage.log((await stage.agentA.status(instanceId, { log: true })).log ?? []);
}

/** What the ledger counted. The one thing that the show is about. */
export async function tally(stage: Stage): Promise<void> {
  stage.scene('What the ledger counted');
  const effects = (await stage.ledger.effects()).filter(
    ({ key }) => key?.includes(`-${stage.run}-`) === true,
  );
  const keys = [...new Set([...stage.keys, ...effects.map(({ key }) => key ?? '')])];
  const rows = keys.map((key) => {
    const found = effects.filter((effect) => effect.key === key);
    return [key, found.length, found.map(({ fencingToken }) => fencingToken).join(', ')] as const;
  });
  stage.table(
    ['EFFECT (IDEMPOTENCY KEY)', 'COUNT', 'FENCING TOKEN'],
    rows.map((row) => [...row]),
  );
  for (const [key, count] of rows) {
    stage.check(stage.keys.includes(key), `the ledger has an effect that nobody asked for: ${key}`);
    stage.check(count === 1, `the ledger counted ${key} ${count} times`);
  }
  const once = rows.filter(([, count]) => count === 1).length;
  const all =
    once === rows.length ? 'every effect was counted once' : 'NOT every effect was counted once';
  stage.say('', `${all}: ${once} of ${rows.length}`);
}

/** An agent asks once; when its effect has begun, whoever holds the instance is killed. */
async function askAndKill(
  stage: Stage,
  instanceId: string,
  cellId: string,
  reached: () => Promise<boolean>,
): Promise<{ takenOver: () => Promise<{ receipt: Receipt; log: LogRows }> }> {
  const { agentA, dev, leaseTtlS } = stage;
  const patienceMs = leaseTtlS * 3_000 + 20_000;
  // It never asks again: what it gets, it gets because the replicas remember.
  const options = { expiresInMs: patienceMs, timeoutMs: patienceMs, askAgainMs: patienceMs };
  const asked = agentA.advance(instanceId, options);
  stage.say('agent-a', 'advances it, once');
  let holder: Holder | null = null;
  await stage.until(`${cellId} of ${instanceId} runs`, async () => {
    const status = await agentA.status(instanceId);
    holder = status.holder;
    return holder !== null && status.inFlight?.cellId === cellId && (await reached());
  });
  const { replicaId, fencingToken } = holder as unknown as Holder;
  sayHolder(stage, { replicaId, fencingToken });
  const following = stage.follow(instanceId, replicaId);
  const { pid } = dev.replicas.find((replica) => replica.replicaId === replicaId) ?? { pid: 0 };
  stage.say('kill -9', `${pid}: ${replicaId} is gone; its lease has up to ${leaseTtlS} s to live`);
  await dev.killReplica(replicaId);
  await stage.ledger.delay(0);
  return {
    takenOver: async () => {
      const receipt = await asked;
      const { log = [] } = await agentA.status(instanceId, { log: true });
      await following.settled(log.filter((row) => row.replica_id !== replicaId).length);
      const successor = log.find((row) => row.replica_id !== replicaId);
      const { firstMs } = following;
      stage.check(
        successor !== undefined && successor.fencing_token > fencingToken,
        `${instanceId} should have been taken over under a token above ${fencingToken}`,
      );
      if (successor !== undefined) {
        stage.say(
          'takeover',
          `${successor.replica_id} took over ${(firstMs() / 1_000).toFixed(1)} s after the kill; ` +
            `fencing token ${successor.fencing_token}, was ${fencingToken}`,
        );
      }
      stage.say('agent-a', `gets the receipt of its one request  → ${receiptLine(receipt)}`);
      const { replicaId: fresh } = await dev.addReplica();
      stage.say('dev', `starts ${fresh} in its place`);
      return { receipt, log };
    },
  };
}

type LogRows = NonNullable<Awaited<ReturnType<Stage['agentA']['status']>>['log']>;

function sayHolder(stage: Stage, holder: Holder | null): void {
  if (holder !== null)
    stage.say('holder', `${holder.replicaId}, fencing token ${holder.fencingToken}`);
}

async function sayCount(stage: Stage, key: string): Promise<void> {
  stage.say('ledger', `has counted ${key}: ${await stage.ledger.count(key)}`);
}
