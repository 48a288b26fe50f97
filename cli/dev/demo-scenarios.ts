import type { Holder, Receipt } from '../../src/request/receipt.ts';
import { receiptLine } from '../render/receipt-line.ts';
import { suggestion } from '../../src/shell-quote.ts';
import type { DemoRun } from './demo-run.ts';

const REFUND_CELLS = ['charge', 'notify'];
/** Longer than a scenario takes, and shorter than the timeout of the cell that waits. */
const LEDGER_DELAY_MS = 9_000;
/** How long an effect takes when two agents have to meet in it. */
const OVERLAP_MS = 400;

/** A refund parks until it is approved. */
export async function waitForApproval(demo: DemoRun, instanceId: string): Promise<void> {
  demo.begin('A refund waits for its approval');
  await demo.start(instanceId, 'example-refund', 'order', REFUND_CELLS);
  const receipt = await demo.agentA.advance(instanceId);
  sayAdvanced(demo, 'agent-a', receipt);
  checkOutcome(demo, instanceId, receipt, 'parked');
  sayHolder(demo, receipt.holder);
}

/** Two agents advance the same instance at the same moment: one runs it, the other runs nothing. */
export async function raceAgents(demo: DemoRun, instanceId: string): Promise<void> {
  demo.begin('Two agents advance it at the same moment');
  await demo.agentB.claim(instanceId, { status: 'approved' });
  demo.say('agent-b', `sets claim ${instanceId} to approved`);
  await demo.ledger.delay(OVERLAP_MS);
  const receipts = await Promise.all([
    demo.agentA.advance(instanceId),
    demo.agentB.advance(instanceId),
  ]);
  await demo.ledger.delay(0);
  receipts.forEach((receipt, i) => sayAdvanced(demo, i === 0 ? 'agent-a' : 'agent-b', receipt));
  const ran = receipts.filter(({ steps }) => steps.length > 0);
  demo.check(
    ran.length === 1,
    `${ran.length} of 2 racing requests ran something; exactly one should have`,
  );
  checkOutcome(demo, instanceId, ran[0], 'completed');
  sayHolder(demo, ran[0]?.holder ?? null);
  for (const cell of REFUND_CELLS) await sayCount(demo, `${instanceId}/${cell}/1`);
}

/** The holder is killed before its effect happens; the probe finds that out, and it runs again. */
export async function killBeforeEffect(demo: DemoRun, instanceId: string): Promise<void> {
  demo.begin('The holder is killed during a charge, and a probe finds out what happened');
  const key = `${instanceId}/charge/1`;
  await demo.start(instanceId, 'example-refund', 'order', REFUND_CELLS);
  await demo.agentB.claim(instanceId, { status: 'approved' });
  demo.say('ledger', 'waits before it records anything');
  await demo.ledger.delay(LEDGER_DELAY_MS, 'before');
  const isWaiting = async (): Promise<boolean> => (await demo.ledger.waiting()) > 0;
  const takeover = await advanceAndKill(demo, instanceId, 'charge', isWaiting);
  const { receipt, log } = await takeover();
  checkOutcome(demo, instanceId, receipt, 'completed');
  demo.check(
    log.some((row) => row.cell_id === 'charge' && row.kind === 'completed' && row.attempt === 2),
    `${instanceId} should have completed its charge in attempt 2`,
  );
  demo.say('log', 'attempt 2 has the idempotency key of attempt 1:');
  demo.log(log);
  await sayCount(demo, key);
}

/** The holder is killed after its effect happened, and no probe can tell: a person decides. */
export async function killAfterEffect(demo: DemoRun, instanceId: string): Promise<void> {
  demo.begin('The holder is killed during a payout, which must not be repeated on a guess');
  const key = `${instanceId}/pay/1`;
  await demo.start(instanceId, 'example-payout', 'account', ['pay']);
  demo.say('ledger', 'records at once, and waits before it answers');
  await demo.ledger.delay(LEDGER_DELAY_MS, 'after');
  const isRecorded = async (): Promise<boolean> => (await demo.ledger.count(key)) > 0;
  const takeover = await advanceAndKill(demo, instanceId, 'pay', isRecorded);
  const { receipt } = await takeover();
  checkOutcome(demo, instanceId, receipt, 'in_doubt');
  const again = await demo.agentB.advance(instanceId);
  sayAdvanced(demo, 'agent-b', again);
  demo.check(again.steps.length === 0, `${instanceId} ran although it was in doubt`);
  await sayCount(demo, key);
  demo.say('a person', 'sees that in the ledger, and decides:');
  const output = { key, count: await demo.ledger.count(key) };
  const reason = 'seen in the ledger';
  const flags = ['--cell', 'pay', '--attempt', '1', '--as', 'succeeded', '--reason', reason];
  const command = suggestion(
    'decide',
    [instanceId],
    [...flags, '--output', JSON.stringify(output)],
  );
  demo.say('', command);
  await demo.agentB.decide(instanceId, {
    cellId: 'pay',
    attempt: 1,
    as: 'succeeded',
    reason,
    output,
  });
  const last = await demo.agentA.advance(instanceId);
  sayAdvanced(demo, 'agent-a', last);
  checkOutcome(demo, instanceId, last, 'completed');
  demo.log((await demo.agentA.status(instanceId, { log: true })).log ?? []);
}

/** Compares the effects that the ledger received with those that the scenarios caused. */
export async function countEffects(demo: DemoRun): Promise<void> {
  demo.begin('What the ledger counted');
  const effects = (await demo.ledger.effects()).filter(
    ({ key }) => key?.includes(`-${demo.suffix}-`) === true,
  );
  const keys = [...new Set([...demo.keys, ...effects.map(({ key }) => key ?? '')])];
  const rows = keys.map((key) => {
    const found = effects.filter((effect) => effect.key === key);
    return [key, found.length, found.map(({ fencingToken }) => fencingToken).join(', ')] as const;
  });
  demo.table(
    ['EFFECT (IDEMPOTENCY KEY)', 'COUNT', 'FENCING TOKEN'],
    rows.map((row) => [...row]),
  );
  for (const [key, count] of rows) {
    demo.check(demo.keys.includes(key), `the ledger has an effect that nobody asked for: ${key}`);
    demo.check(count === 1, `the ledger counted ${key} ${count} times`);
  }
  const once = rows.filter(([, count]) => count === 1).length;
  const verdict =
    once === rows.length ? 'every effect was counted once' : 'NOT every effect was counted once';
  demo.say('', `${verdict}: ${once} of ${rows.length}`);
}

type LogRows = NonNullable<Awaited<ReturnType<DemoRun['agentA']['status']>>['log']>;

/**
 * Sends one request and kills the holder while its effect is running.
 *
 * @param isReached whether the effect is where the holder is to be killed
 * @returns a function that waits for the takeover and the receipt
 */
async function advanceAndKill(
  demo: DemoRun,
  instanceId: string,
  cellId: string,
  isReached: () => Promise<boolean>,
): Promise<() => Promise<{ receipt: Receipt; log: LogRows }>> {
  const { agentA, dev, leaseTtlS } = demo;
  const timeoutMs = leaseTtlS * 3_000 + 20_000;
  // It never repeats the request: the receipt comes because the replicas remember it.
  const requested = agentA.advance(instanceId, {
    expiresInMs: timeoutMs,
    timeoutMs,
    askAgainMs: timeoutMs,
  });
  demo.say('agent-a', 'advances it, with a single request');
  let holder: Holder | null = null;
  await demo.until(`${cellId} of ${instanceId} runs`, async () => {
    const status = await agentA.status(instanceId);
    holder = status.holder;
    return holder !== null && status.inFlight?.cellId === cellId && (await isReached());
  });
  const { replicaId, fencingToken } = holder as unknown as Holder;
  sayHolder(demo, { replicaId, fencingToken });
  const watch = demo.watchTakeover(instanceId, replicaId);
  const { pid } = dev.replicas.find((replica) => replica.replicaId === replicaId) ?? { pid: 0 };
  demo.say('kill -9', `${pid}: ${replicaId} is gone; its lease expires within ${leaseTtlS} s`);
  await dev.killReplica(replicaId);
  await demo.ledger.delay(0);
  return async () => {
    const receipt = await requested;
    const { log = [] } = await agentA.status(instanceId, { log: true });
    await watch.end(log.filter((row) => row.replica_id !== replicaId).length);
    const successor = log.find((row) => row.replica_id !== replicaId);
    demo.check(
      successor !== undefined && successor.fencing_token > fencingToken,
      `${instanceId} should have been taken over under a token above ${fencingToken}`,
    );
    if (successor !== undefined) {
      demo.say(
        'takeover',
        `${successor.replica_id} took over ${(watch.firstMs() / 1_000).toFixed(1)} s after the kill; ` +
          `fencing token ${successor.fencing_token}, was ${fencingToken}`,
      );
    }
    demo.say('agent-a', `gets the receipt of that request  → ${receiptLine(receipt)}`);
    const { replicaId: added } = await dev.addReplica();
    demo.say('dev', `starts ${added} as a replacement`);
    return { receipt, log };
  };
}

function checkOutcome(
  demo: DemoRun,
  instanceId: string,
  receipt: Receipt | undefined,
  expected: Receipt['outcome'],
): void {
  const outcome = receipt?.outcome ?? 'nothing';
  demo.check(outcome === expected, `${instanceId} should be ${expected}, not ${outcome}`);
}

function sayAdvanced(demo: DemoRun, agentId: string, receipt: Receipt): void {
  demo.say(agentId, `advances it  → ${receiptLine(receipt)}`);
}

function sayHolder(demo: DemoRun, holder: Holder | null): void {
  if (holder !== null)
    demo.say('holder', `${holder.replicaId}, fencing token ${holder.fencingToken}`);
}

async function sayCount(demo: DemoRun, key: string): Promise<void> {
  demo.say('ledger', `has counted ${key}: ${await demo.ledger.count(key)}`);
}
