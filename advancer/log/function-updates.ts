import type { Client } from 'pg';

import type { SqlFunction } from './function-files.ts';
import { MigrationRefused } from './migration-refused.ts';

/**
 * Brings a database's functions up to date within the transaction of a migration run.
 *
 * The table `leasehold.functions` records every text that was ever applied. A text that is in it is
 * not applied again: if it is not the latest, a later release has replaced it, and an older
 * program's `migrate` must not put back an older guard.
 */
export class FunctionUpdates {
  /** Applied by this run. */
  readonly applied: string[] = [];
  /** Left as they are, since the database has a later text than this program. */
  readonly kept: string[] = [];
  readonly #client: Client;
  readonly #known: ReadonlyMap<string, SqlFunction>;
  readonly #pending: Map<string, SqlFunction>;

  private constructor(
    client: Client,
    functions: readonly SqlFunction[],
    recorded: readonly Recorded[],
  ) {
    this.#client = client;
    this.#known = new Map(functions.map((one) => [one.name, one]));
    this.#pending = new Map(this.#known);
    for (const { name, checksum, latest } of recorded) {
      if (this.#known.get(name)?.checksum !== checksum) continue;
      this.#pending.delete(name);
      if (!latest) this.kept.push(name);
    }
  }

  /** Compares these functions with what the database has recorded. */
  static async begin(client: Client, functions: readonly SqlFunction[]): Promise<FunctionUpdates> {
    const { rows } = await client.query<Recorded>(
      `select name, checksum,
         row_number() over (partition by name order by recorded_at desc) = 1 as latest
         from leasehold.functions order by name`,
    );
    return new FunctionUpdates(client, functions, rows);
  }

  /** Applies the functions that a migration requires. @throws MigrationRefused */
  async require(names: readonly string[], migration: string): Promise<void> {
    for (const name of names) {
      if (!this.#known.has(name)) {
        throw new MigrationRefused(
          `migration ${migration} requires the function ${name}, which has no file`,
        );
      }
      const pending = this.#pending.get(name);
      if (pending !== undefined) await this.#apply(pending);
    }
  }

  /**
   * Applies all others that are not up to date.
   *
   * @throws MigrationRefused when a signature has changed
   */
  async finish(): Promise<void> {
    for (const one of this.#pending.values()) await this.#apply(one);
    await this.#refuseOverloads();
  }

  async #apply(one: SqlFunction): Promise<void> {
    await this.#client.query(one.sql).catch((cause: unknown) => {
      // 42P13: it would return another type, or its parameters would have other names.
      const changed = cause instanceof Error && 'code' in cause && cause.code === '42P13';
      throw changed ? signatureChanged(`${one.name}: ${cause.message}`, cause) : cause;
    });
    await this.#client.query('insert into leasehold.functions (name, checksum) values ($1, $2)', [
      one.name,
      one.checksum,
    ]);
    this.#pending.delete(one.name);
    this.applied.push(one.name);
  }

  /** With other parameter types, `create or replace` leaves the old function in place. */
  async #refuseOverloads(): Promise<void> {
    if (this.applied.length === 0) return;
    const { rows } = await this.#client.query<{ signatures: string }>(
      `select string_agg(p.oid::regprocedure::text, ' and ' order by p.oid) as signatures
         from unnest($1::text[], $2::text[]) as f (schema, name)
         join pg_proc p on p.pronamespace = to_regnamespace(f.schema) and p.proname = f.name
         group by f.schema, f.name having count(*) > 1`,
      [this.applied.map((name) => this.#known.get(name)!.schema), this.applied],
    );
    if (rows.length > 0) {
      throw signatureChanged(`there would be ${rows.map((row) => row.signatures).join(', ')}`);
    }
  }
}

interface Recorded {
  name: string;
  checksum: string;
  latest: boolean;
}

function signatureChanged(what: string, cause?: Error): MigrationRefused {
  return new MigrationRefused(
    `the signature of a function has changed (${what}): ` +
      'add a numbered migration that drops the old one',
    { cause },
  );
}
