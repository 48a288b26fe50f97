import type { Client } from 'pg';

import { MigrationRefused, OLD_NUMBERING, otherNamespace } from './migration-refused.ts';

/** What must exist before the first migration: the tables that record what was applied. */
export async function bootstrap(client: Client): Promise<void> {
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regclass('leasehold.migrations') is not null as there`,
  );
  if (rows[0]!.there) return;
  await client.query(
    `create schema leasehold;
     create table leasehold.meta (
       one boolean primary key default true check (one),
       namespace text not null,
       recorded_at timestamptz not null default clock_timestamp());
     create table leasehold.migrations (
       version int primary key,
       name text not null,
       checksum text not null,
       recorded_at timestamptz not null default clock_timestamp());
     create table leasehold.functions (
       name text collate "C" not null,
       checksum text collate "C" not null,
       recorded_at timestamptz not null default clock_timestamp(),
       primary key (name, checksum));`,
  );
}

/** Records the namespace of a new database. @throws MigrationRefused if it has another one */
export async function claimNamespace(client: Client, namespace: string): Promise<void> {
  await client.query('insert into leasehold.meta (namespace) values ($1) on conflict do nothing', [
    namespace,
  ]);
  const { rows } = await client.query<{ namespace: string }>(
    'select namespace from leasehold.meta',
  );
  const recorded = rows[0]!.namespace;
  if (recorded !== namespace) throw new MigrationRefused(otherNamespace(recorded, namespace));
}

/** The versions that numbered their migrations differently had no record of functions. */
export async function refuseOldNumbering(client: Client): Promise<void> {
  const { rows } = await client.query<{ missing: boolean }>(
    `select to_regclass('leasehold.functions') is null as missing`,
  );
  if (rows[0]!.missing) throw new MigrationRefused(OLD_NUMBERING);
}
