import { expect } from 'vitest';
import type { Client } from 'pg';

import type { Rest, Wake } from '../../../../advancer/log/due.ts';
import type { Projection } from '../../../../advancer/log/log.ts';
import type { PostgresLog } from '../../../../advancer/log/postgres-log.ts';
import { freshId, newInstance, receiptEntry } from './fixture.ts';

/** A claim that nobody else waits for, and an instance that is to wait for it. */
export async function parkable(
  replica: PostgresLog,
): Promise<{ instanceId: string; claimId: string }> {
  const instance = newInstance({ unattended: true });
  await replica.startInstance(instance);
  return { instanceId: instance.instanceId, claimId: freshId('c') };
}

/** What brings back an instance that waits for a claim. */
export function waitingFor(claimId: string, revision = 0): Rest {
  return { claim: { claimId, statuses: ['open', 'ajar'], revision } };
}

/** The line of a parked instance. */
export function parkedOn(rest: Rest): Projection {
  return { status: 'parked', nextCellId: 'a', rest };
}

/** Parks an instance whose log is empty, as a holder does. */
export async function park(replica: PostgresLog, instanceId: string, rest: Rest): Promise<void> {
  const entry = receiptEntry(instanceId, freshId('q'), 0, { projection: parkedOn(rest) });
  expect(await replica.append(entry)).toMatchObject({ kind: 'appended' });
}

/** Makes a claim as any client can. */
export function claimed(client: Client, claimId: string, status: string, revision = 1) {
  return client.query(
    `insert into leasehold.claims (claim_id, revision, status, agent_id) values ($1, $2, $3, 'sql')`,
    [claimId, revision, status],
  );
}

/** The notes about an id. */
export async function wakesOf(replica: PostgresLog, id: string): Promise<Wake[]> {
  const { wakes } = await replica.due.find(10_000);
  return wakes.filter((wake) => wake.id === id);
}

/** Whether a poll finds the instance. */
export async function isDue(replica: PostgresLog, instanceId: string): Promise<boolean> {
  const { due } = await replica.due.find(10_000);
  return due.some((one) => one.instanceId === instanceId);
}

interface Line {
  last_seq: string;
  claim_id: string | null;
  in_ms: number | null;
}

/** The line of an unattended instance, as it is stored. */
export async function lineOf(client: Client, instanceId: string): Promise<Line | undefined> {
  const { rows } = await client.query<Line>(
    `select last_seq, claim_id, (extract(epoch from due_at - clock_timestamp()) * 1000)::float8 as in_ms
       from leasehold_projection.unattended where instance_id = $1`,
    [instanceId],
  );
  return rows[0];
}
