import { Audit } from '../../src/audit/audit.ts';
import type { Evidence } from '../../src/audit/evidence.ts';
import type { Row } from '../../src/execution/row.ts';
import type { Cluster } from './cluster.ts';
import type { SimEnding, Witnessed } from './sim-effects.ts';
import { breachesOfLife, childrenOf, parentOf } from './life-checker.ts';
import type { Workload } from './workload.ts';
import { EPOCH_MS } from './world.ts';

/** Warnings for which only a real clock is an excuse: the simulated database's is never set. */
const NO_EXCUSE: readonly string[] = ['unbegun-waits'];

/** A guarantee that a run broke, and how. */
export interface Breach {
  guarantee: number;
  what: string;
}

/**
 * Verifies what the witness saw, what the agents learned and what the log says against the
 * guarantees: by the named checks that `leasehold audit` uses, and by what only a simulated world
 * shows.
 */
export function breaches(cluster: Cluster, workload: Workload): Breach[] {
  const audit = new Audit();
  const found: Breach[] = evidenceOf(cluster, workload)
    .flatMap((evidence) => audit.look(evidence))
    // A warning points at what may well be in order.
    .filter(({ severity, check }) => severity === 'breach' || NO_EXCUSE.includes(check))
    .map(({ check, guarantee, instanceId, seqs, what }) => {
      const rows = seqs.length === 0 ? '' : ` (seq ${seqs.join(', ')})`;
      return { guarantee, what: `${check}: ${instanceId}: ${what}${rows}` };
    });
  const breach = (guarantee: number, what: string): void => void found.push({ guarantee, what });
  found.push(...breachesOfLife(cluster, workload));
  for (const what of cluster.closedInHand) breach(3, `${what} was closed while its process ran it`);
  for (const what of cluster.begunUnopened) breach(3, `${what}, which was not open`);
  for (const row of [...cluster.postgres.rows.values()].flat()) {
    const { code } = (row.body['error'] ?? {}) as { code?: unknown };
    if (code === 'unknown_handler')
      breach(6, `${row.instanceId} failed because ${row.replicaId} lacks a handler`);
  }
  for (const { instanceId, cellId, attempt, said, ended } of untrueOutcomes(cluster))
    breach(6, `${instanceId}/${cellId} attempt ${attempt} is ${said}, but it was ${ended}`);
  for (const { replicaId, crashedOver } of cluster.replicas) {
    if (crashedOver !== undefined) breach(4, `${replicaId} crashed over ${crashedOver.message}`);
  }
  return found;
}

/** Everything that is known of each instance at the end of a run. */
function evidenceOf(cluster: Cluster, workload: Workload): Evidence[] {
  const { postgres, witness, living } = cluster;
  const alive = new Set(living.map(({ replicaId }) => replicaId));
  return [...postgres.instances.keys()].map((instanceId) => {
    const isOurs = (one: { instanceId: string }): boolean => one.instanceId === instanceId;
    const instance = postgres.instances.get(instanceId);
    return {
      instanceId,
      instance,
      runbook: postgres.runbooks.get(instance?.runbookId ?? ''),
      rows: postgres.rowsOf(instanceId),
      receipts: [...postgres.receipts.values()].filter(isOurs),
      lateOutcomes: postgres.lateOutcomes.filter(isOurs),
      refusals: postgres.refusals.filter(isOurs),
      children: childrenOf(cluster, instanceId),
      parent: parentOf(cluster, instanceId),
      claims: (claimId, revision) =>
        postgres.claims.get(claimId)?.find((one) => one.revision === revision),
      witness: witness.seen.filter(isOurs).map((effect) => seen(effect, alive)),
      clientHistory: workload.clientHistory.filter(isOurs),
      atRest: 'ended',
    };
  });
}

/** Outcomes in the log that are not what became of the effect; no witness outside sees as much. */
function untrueOutcomes({ postgres, witness }: Cluster) {
  return [...postgres.rows.values()].flat().flatMap((row) => {
    const said = endingIn(row);
    const ended = witness.ending(row);
    if (said === undefined || said === ended) return [];
    // It may have been called off before anybody tried to run it.
    if (said === 'wrongReplica' && ended === undefined) return [];
    return [{ ...row, said, ended: ended ?? 'never run' }];
  });
}

/** How the effect ended, as its own process says, at once or late; undefined if it does not say. */
function endingIn({ kind, body }: Row): SimEnding | undefined {
  const { as, by, reason } = body;
  const decided = kind === 'decided' && by === '@late-outcome' ? as : undefined;
  if (kind === 'completed' || decided === 'succeeded') return 'succeeded';
  if (kind === 'failed' || decided === 'failed') {
    if (body['happened'] === true) return 'unexpected';
    return body['notBegun'] === true ? 'notBegun' : 'refused';
  }
  if (kind !== 'interrupted') return undefined;
  if (reason === 'unverified') return 'unverified';
  return reason === 'not_started' ? 'wrongReplica' : undefined;
}

/** The outcome that a process learned from its effect counts only while that process lives. */
function seen({ atMs, process, reported, ...effect }: Witnessed, alive: ReadonlySet<string>) {
  const at = new Date(EPOCH_MS + atMs).toISOString();
  return { ...effect, at, outcome: alive.has(process) ? reported : undefined };
}
