import type { TestCluster } from '../harness/replicas.ts';

/** Where a secret was found, and in which form. */
export interface Find {
  where: string;
  form: string;
  /** What is around it, without the secret itself. */
  around: string;
}

const AROUND = 60;
/** A part of a secret that is long enough to give it away. */
const PART = 12;

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

/** Searches everything that a run leaves behind for its secret. */
export class SecretHunt {
  readonly finds: Find[] = [];
  /** How many characters were searched, by place. */
  readonly searched = new Map<string, number>();
  readonly #forms: readonly (readonly [name: string, text: string])[];

  constructor(secret: string) {
    this.#forms = [...formsOf(secret)];
  }

  /** Searches a text. */
  look(where: string, text: string): void {
    this.searched.set(where, (this.searched.get(where) ?? 0) + text.length);
    for (const [form, value] of this.#forms) {
      const at = text.indexOf(value);
      if (at < 0) continue;
      const around = `${text.slice(Math.max(0, at - AROUND), at)}…`;
      this.finds.push({ where, form, around });
      return;
    }
  }

  /**
   * Listens to events, notes and all replies, until the returned function is called. Not to the
   * subjects of replicas: a listener there would hide that a replica is gone.
   */
  listen(cluster: TestCluster): () => void {
    const decoder = new TextDecoder();
    const notes = ['leaving', 'answered', 'placed', 'settle.*', 'event.*'].map((one) =>
      cluster.subject(one),
    );
    const subscriptions = [...notes, '_INBOX.>', '_R_.>'].map((heard) =>
      cluster.nats.subscribe(heard, {
        callback: (_error, message) =>
          this.look('the bus', `${message.subject} ${decoder.decode(message.data)}`),
      }),
    );
    return () => subscriptions.forEach((subscription) => subscription.unsubscribe());
  }

  /** Searches every table of the database, and every key in etcd. */
  async searchStores(cluster: TestCluster): Promise<void> {
    const tables = await cluster.owner.query<{ name: string }>(
      `select format('%I.%I', n.nspname, c.relname) as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^(pg_|information_schema$)'`,
    );
    for (const { name } of tables.rows) {
      const rows = await cluster.owner.query<{ text: string }>(
        `select t::text as text from ${name} t`,
      );
      for (const { text } of rows.rows) this.look(`table ${name}`, text);
    }
    const all = Buffer.from([0]).toString('base64');
    for (const url of cluster.servers.etcdUrls.slice(0, 1)) {
      const body = JSON.stringify({ key: all, range_end: all });
      const reply = await fetch(`${url}/v3/kv/range`, { method: 'POST', body });
      const { kvs = [] } = (await reply.json()) as {
        kvs?: { key: string; value?: string }[];
      };
      for (const { key, value = '' } of kvs)
        for (const text of [key, value]) this.look('etcd', Buffer.from(text, 'base64').toString());
    }
  }

  /** Searches what a replica serves over HTTP. */
  async searchPages(httpUrl: string): Promise<void> {
    for (const path of ['/metrics', '/readyz', '/livez']) {
      const response = await fetch(`${httpUrl}${path}`);
      this.look(`page ${path}`, await response.text());
    }
  }

  /** Searches what commands print about these instances. */
  async searchReports(cluster: TestCluster, instanceIds: readonly string[]): Promise<void> {
    const commands = [
      ['list', '--json'],
      ['replicas', '--json'],
      ...instanceIds.flatMap((instanceId) => [
        ['status', instanceId, '--log'],
        ['status', instanceId, '--log', '--json'],
        ['show', instanceId],
        ['show', instanceId, '--html', '-'],
      ]),
    ];
    const printed = await Promise.all(commands.map((command) => cluster.cli(command)));
    for (const [nth, { stdout, stderr }] of printed.entries())
      this.look(`leasehold ${commands[nth]?.[0]}`, `${stdout}${stderr}`);
  }
}
