import type { Client } from 'pg';

import type { Queryable } from '../../../../advancer/log/connections.ts';
import { PostgresRowPages } from '../../../../advancer/log/row-pages.ts';
import { formatCursor, parseCursor } from '../../../../src/request/row-cursor.ts';
import type { RowCursor } from '../../../../src/request/row-cursor.ts';
import { connect, logDatabase } from './fixture.ts';

export const ROOM = { limit: 1_000, maxBytes: 1_000_000 };

/** Statements on one connection, each noted with its values. */
function recording(client: Client): Queryable & { sent: { text: string; values: unknown[] }[] } {
  const sent: { text: string; values: unknown[] }[] = [];
  return {
    sent,
    async query<R extends object>(text: string, values: readonly unknown[] = []) {
      sent.push({ text, values: [...values] });
      return (await client.query<R>(text, [...values])).rows;
    },
  };
}

interface World {
  app: Client;
  owner: Client;
  superuser: Client;
  url: string;
  pages: PostgresRowPages;
  sent: { text: string; values: unknown[] }[];
}

export async function world(): Promise<World> {
  const database = await logDatabase();
  const app = await connect(database.appUrl);
  const db = recording(app);
  return {
    app: await connect(database.appUrl),
    owner: await connect(database.ownerUrl),
    superuser: await connect(database.superuserUrl),
    url: database.superuserUrl,
    pages: new PostgresRowPages(db),
    sent: db.sent,
  };
}

/** Appends intents and outcomes of cells in turn, as any client may. */
export async function append(
  client: Client,
  instanceId: string,
  seq: number,
  body = {},
): Promise<void> {
  const isIntent = seq % 2 === 1;
  await client.query(
    `insert into leasehold.executions (instance_id, seq, fencing_token, replica_id, kind, cell_id, body)
       values ($1, $2, 1, 'r-1', $3, $4, $5)`,
    [
      instanceId,
      seq,
      isIntent ? 'started' : 'completed',
      `c${Math.ceil(seq / 2)}`,
      JSON.stringify(body),
    ],
  );
}

/** Appends the rows from one seq to another. */
export async function appendUpTo(client: Client, instanceId: string, from: number, to: number) {
  for (let seq = from; seq <= to; seq += 1) await append(client, instanceId, seq);
}

/** Follows the cursors, as text, until nothing comes any more. */
export async function rest(
  pages: PostgresRowPages,
  after: string | undefined,
  size = ROOM,
): Promise<{ keys: string[]; after: string | undefined }> {
  const keys: string[] = [];
  for (let at = after; ;) {
    const { rows, next } = await pages.ofAll(at === undefined ? undefined : parsed(at), size);
    keys.push(...rows.map((row) => `${row.instanceId}/${row.seq}`));
    if (next === undefined) return { keys, after: at };
    at = formatCursor(next);
  }
}

export function parsed(text: string): RowCursor {
  const cursor = parseCursor(text);
  if (cursor === undefined) throw new Error(`${text} is no cursor`);
  return cursor;
}
