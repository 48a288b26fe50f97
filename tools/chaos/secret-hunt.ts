import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

import { Client } from 'pg';

/** How to listen on a bus. */
export type Subscribe = (
  subject: string,
  hear: (message: { subject: string; data: Uint8Array }) => void,
) => { unsubscribe(): void };

/** Where a secret was found, and in which form. */
export interface Find {
  where: string;
  form: string;
  /** What comes before it, without the secret itself. */
  before: string;
}

const SHOWN_BEFORE = 60;
/** A part of a secret that is long enough to give it away. */
const PART = 12;
/** Of one place. With nothing redacted, there would be one in every row and message. */
const KEPT_FINDS = 20;
/** How many rows of a table are read at once. */
const PAGE_SIZE = 2_000;

/**
 * A secret of a run: characters that JSON, URLs and shells write in other ways. It can stand in a
 * header and in an environment variable.
 */
export function secretOf(seed: number): string {
  const drawn = (Math.imul(seed + 1, 2_654_435_761) >>> 0).toString(36).padStart(7, '0');
  return `s3"cr\\et/${drawn}+%=&<${drawn.toUpperCase()}>~!`;
}

/** The forms that programs put a text into, by name. */
export function formsOf(secret: string): Map<string, string> {
  const escaped = (text: string): string => JSON.stringify(text).slice(1, -1);
  const percent = encodeURIComponent(secret);
  const forms = new Map([
    ['itself', secret],
    ['JSON', escaped(secret)],
    ['JSON in JSON', escaped(escaped(secret))],
    ['percent-encoded', percent],
    ['percent-encoded in lower case', percent.replaceAll(/%../g, (hex) => hex.toLowerCase())],
    ['a form', new URLSearchParams({ '': secret }).toString().slice(1)],
    ['its beginning', secret.slice(0, PART)],
    ['its end', secret.slice(-PART)],
  ]);
  for (const before of [0, 1, 2]) {
    const bytes = Buffer.from(`${'x'.repeat(before)}${secret}`);
    // Without the characters that also depend on what stands around it.
    const [from, to] = [Math.ceil((before * 4) / 3), Math.floor((bytes.length * 8) / 6)];
    forms.set(`base64, ${before} before it`, bytes.toString('base64').slice(from, to));
    forms.set(`base64url, ${before} before it`, bytes.toString('base64url').slice(from, to));
  }
  return forms;
}

/**
 * Searches what a run leaves behind for the secret that its effects print on purpose. It shares no
 * code with the product, which replaces secrets: it looks for the value in the forms that programs
 * put it into.
 */
export class SecretHunt {
  readonly finds: Find[] = [];
  /** How many characters were searched, by place. */
  readonly searched = new Map<string, number>();
  readonly #found = new Map<string, number>();
  readonly #forms: readonly (readonly [name: string, text: string])[];

  constructor(secret: string) {
    this.#forms = [...formsOf(secret)];
  }

  /** How many characters were searched in all. */
  get characters(): number {
    return [...this.searched.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Searches a text. */
  look(where: string, text: string): void {
    this.searched.set(where, (this.searched.get(where) ?? 0) + text.length);
    const found = this.#found.get(where) ?? 0;
    if (found >= KEPT_FINDS) return;
    for (const [form, value] of this.#forms) {
      const at = text.indexOf(value);
      if (at < 0) continue;
      const before = text.slice(Math.max(0, at - SHOWN_BEFORE), at);
      this.finds.push({ where, form, before });
      this.#found.set(where, found + 1);
      return;
    }
  }

  /** Searches a file, line by line. */
  async searchFile(where: string, file: string): Promise<void> {
    for await (const line of createInterface(createReadStream(file, 'utf8')))
      this.look(where, line);
  }

  /**
   * Listens to events, to what replicas tell each other unasked, and to all replies, until the
   * returned function is called. Not to the subjects of replicas: a listener there would hide that
   * a replica is gone.
   */
  listen(subscribe: Subscribe, namespace: string): () => void {
    const decoder = new TextDecoder();
    const told = ['leaving', 'answered', 'placed', 'due', 'settle.*', 'event.*'].map(
      (subject) => `leasehold.${namespace}.${subject}`,
    );
    const subscriptions = [...told, '_INBOX.>', '_R_.>'].map((heard) =>
      subscribe(heard, ({ subject, data }) =>
        this.look('the bus', `${subject} ${decoder.decode(data)}`),
      ),
    );
    return () => subscriptions.forEach((subscription) => subscription.unsubscribe());
  }

  /** Searches every table of a database. @param url of a role that may read them */
  async searchDatabase(url: string): Promise<void> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      const tables = await client.query<{ name: string }>(
        `select format('%I.%I', n.nspname, c.relname) as name
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^(pg_|information_schema$)'`,
      );
      for (const { name } of tables.rows) await this.#searchTable(client, name);
    } finally {
      await client.end();
    }
  }

  /** Searches every key and value in etcd. */
  async searchEtcd(url: string): Promise<void> {
    const all = Buffer.from([0]).toString('base64');
    const body = JSON.stringify({ key: all, range_end: all });
    const reply = await fetch(`${url}/v3/kv/range`, { method: 'POST', body });
    const { kvs = [] } = (await reply.json()) as { kvs?: { key: string; value?: string }[] };
    for (const { key, value = '' } of kvs)
      for (const text of [key, value]) this.look('etcd', Buffer.from(text, 'base64').toString());
  }

  /** Searches what a replica serves over HTTP. */
  async searchPages(httpUrl: string): Promise<void> {
    for (const path of ['/metrics', '/readyz', '/livez']) {
      const response = await fetch(`${httpUrl}${path}`);
      this.look(`page ${path}`, await response.text());
    }
  }

  async #searchTable(client: Client, name: string): Promise<void> {
    await client.query('begin read only');
    await client.query(
      `declare found no scroll cursor for select row_to_json(t)::text as text from ${name} t`,
    );
    for (;;) {
      const { rows } = await client.query<{ text: string }>(`fetch ${PAGE_SIZE} from found`);
      for (const { text } of rows) this.look(`table ${name}`, text);
      if (rows.length < PAGE_SIZE) break;
    }
    await client.query('commit');
  }
}
