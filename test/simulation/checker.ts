import { chainBreach } from '../../src/execution/chain.ts';
import type { Row } from '../../src/execution/row.ts';
import { isRecorded } from '../../src/request/receipt.ts';
import { onInterrupt } from '../../src/runbook/runbook.ts';
import type { Cluster } from './cluster.ts';
import { RUNBOOK, type Workload } from './workload.ts';

/** What a run did against a guarantee. */
export interface Breach {
  guarantee: number;
  what: string;
}

/** Holds what the witness saw, what the agents were told and what the log says against the guarantees. */
export function breaches(cluster: Cluster, workload: Workload): Breach[] {
  const found: Breach[] = [];
  const breach = (guarantee: number, what: string): void => void found.push({ guarantee, what });
  for (const instanceId of workload.instances) checkLog(cluster.postgres.rowsOf(instanceId), breach);
  checkEffects(cluster, breach);
  checkReceipts(cluster, workload, breach);
  checkEvidence(cluster, breach);
  for (const what of cluster.closedInHand) breach(3, `${what} was closed while its process ran it`);
  for (const { replicaId, crashedOver } of cluster.replicas) {
    if (crashedOver !== undefined) breach(4, `${replicaId} crashed over ${crashedOver.message}`);
  }
  return found;
}

type Report = (guarantee: number, what: string) => void;

/** Guarantees 1 and 2, as far as the log alone can show them. */
function checkLog(rows: readonly Row[], breach: Report): void {
  rows.forEach((row, index) => {
    const broken = chainBreach(rows[index - 1], row);
    if (broken !== undefined)
      breach(broken.rule === 'stale_token' ? 2 : 1, `${row.instanceId}: ${broken.detail}`);
  });
}

/** Guarantees 1 and 3: each effect has its intent, runs once, and runs again only where that is allowed. */
function checkEffects(cluster: Cluster, breach: Report): void {
  const seen = new Set<string>();
  for (const effect of cluster.witness.seen) {
    const { instanceId, cellId, attempt, fencingToken } = effect;
    const name = `${instanceId}/${cellId} attempt ${attempt}`;
    if (seen.has(name)) breach(3, `${name} was run twice`);
    seen.add(name);
    const rows = cluster.postgres.rowsOf(instanceId);
    const started = rows.find(
      (row) => row.kind === 'started' && row.cellId === cellId && row.attempt === attempt,
    );
    if (started === undefined) breach(1, `${name} was run without its intent`);
    else if (started.fencingToken !== fencingToken) breach(1, `${name} was run under a foreign token`);
    else if (Date.parse(started.recordedAt) - Date.UTC(2030, 0, 1) > effect.atMs)
      breach(1, `${name} ran before its intent`);
  }
  for (const rows of cluster.postgres.rows.values()) {
    rows.forEach((row, index) => {
      if (row.kind !== 'decided' || row.body['as'] !== 'rerun') return;
      const name = `${row.instanceId}/${row.cellId} attempt ${row.attempt}`;
      const reason = rows[index - 1]?.body['reason'];
      const cell = RUNBOOK.cells.find(({ id }) => id === row.cellId);
      const policy = cell !== undefined && 'exec' in cell ? onInterrupt(cell) : 'hold';
      const by = row.body['by'];
      const saysNeverBegan = reason === 'not_started' || by === '@late-outcome';
      if (saysNeverBegan && seen.has(name))
        breach(6, `${name} was run, and the log says that it never began`);
      if (by === '@policy' && !saysNeverBegan && policy !== 'rerun')
        breach(3, `${name} is ${policy} and was rerun`);
      if (by === '@probe' && policy !== 'probe') breach(3, `${name} is ${policy} and was probed`);
    });
  }
}

/** Guarantee 5: one receipt for a request, which says all that was written for it. */
function checkReceipts(cluster: Cluster, workload: Workload, breach: Report): void {
  const answered = new Set<string>();
  for (const { requestId, receipt } of workload.told) {
    if (receipt === undefined) continue;
    answered.add(requestId);
    if (!isRecorded(receipt.outcome)) continue;
    const stored = cluster.postgres.receipts.get(requestId);
    if (stored === undefined) breach(5, `${requestId}: told ${receipt.outcome}, and nothing is recorded`);
    else if (JSON.stringify(stored.receipt) !== JSON.stringify(receipt)) {
      breach(
        5,
        `${requestId}: told ${JSON.stringify(receipt)}, recorded is ${JSON.stringify(stored.receipt)}`,
      );
    }
  }
  for (const { requestId, instanceId, receipt } of cluster.postgres.receipts.values()) {
    const rows = cluster.postgres.rowsOf(instanceId).filter((row) => row.requestId === requestId);
    const written = rows.map(({ seq }) => seq).join();
    const said = receipt.steps.map(({ seq }) => seq).join();
    if (written !== said) breach(5, `${requestId}: its receipt has steps ${said}, the log has ${written}`);
  }
}

/** Guarantee 6: what a living process came to know of its effect is in the log or kept as evidence. */
function checkEvidence(cluster: Cluster, breach: Report): void {
  const living = new Set(cluster.living.map(({ replicaId }) => replicaId));
  for (const { process, instanceId, cellId, attempt, told } of cluster.witness.seen) {
    if (told === undefined || !living.has(process)) continue;
    const same = (at: { cellId: string; attempt: number }): boolean =>
      at.cellId === cellId && at.attempt === attempt;
    const inLog = cluster.postgres.rowsOf(instanceId).some((row) => same(row) && row.kind === told);
    const kept = cluster.postgres.lateOutcomes.some((late) => late.instanceId === instanceId && same(late));
    if (!inLog && !kept)
      breach(6, `${instanceId}/${cellId} attempt ${attempt}: ${told} was lost by ${process}`);
  }
}
