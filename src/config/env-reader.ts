import { readFileSync } from 'node:fs';

import type { z } from 'zod';

import { errorText } from '../error-text.ts';
import { Id } from '../ids.ts';

/** Variables as a process gets them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** PEM texts; an empty object asks for TLS with the machine's own trust store. */
export interface TlsConfig {
  ca?: string;
  cert?: string;
  key?: string;
}

/** Where NATS is, and as whom to go there. */
export interface NatsConfig {
  servers: string[];
  tls?: TlsConfig;
  auth?: { username: string; password: string } | { token: string } | { credentials: string };
}

/** Where etcd is, and as whom to go there. */
export interface EtcdConfig {
  urls: string[];
  /** Its client package needs to know the authority whenever certificates are used. */
  tls?: TlsConfig & { ca: string };
  auth?: { username: string; password: string };
}

/** The environment is not usable; the message has one line for each variable, with the mend. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** Reads a file of certificates or credentials; another one in tests. */
export type ReadFile = (path: string) => string;

/** The machine's own files. */
export const readText: ReadFile = (path) => readFileSync(path, 'utf8');

/**
 * Reads variables one by one and keeps what is wrong with them, so that all of it is said at once.
 */
export class EnvReader {
  readonly #env: Environment;
  readonly #readFile: ReadFile;
  readonly #problems: string[] = [];

  constructor(env: Environment, readFile: ReadFile) {
    this.#env = env;
    this.#readFile = readFile;
  }

  /** @throws ConfigError when anything was wrong */
  done(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
  }

  /** A variable that is set to nothing counts as not set. */
  text(name: string): string | undefined {
    const text = this.#env[name]?.trim();
    return text === '' ? undefined : text;
  }

  value<T>(name: string, schema: z.ZodType<T>, fallback: T): T {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const result = schema.safeParse(text);
    if (result.success) return result.data;
    this.#problem(
      name,
      `${result.error.issues[0]?.message ?? 'is not usable'}, not ${JSON.stringify(text)}`,
    );
    return fallback;
  }

  namespace(): string {
    return this.value('LEASEHOLD_NAMESPACE', Id, 'default');
  }

  nats(fallback?: string[]): NatsConfig {
    const servers = this.#urls(
      'LEASEHOLD_NATS_URLS',
      ['nats:', 'tls:'],
      'nats://127.0.0.1:4222',
      fallback,
    );
    const tls = this.#tls('LEASEHOLD_NATS');
    const password = this.#password('LEASEHOLD_NATS');
    const token = this.text('LEASEHOLD_NATS_TOKEN');
    const creds = this.text('LEASEHOLD_NATS_CREDS_FILE');
    const ways = [password && 'USERNAME', token && 'TOKEN', creds && 'CREDS_FILE'].filter(Boolean);
    if (ways.length > 1) {
      this.#problem(
        `LEASEHOLD_NATS_${ways[1] as string}`,
        `cannot be used beside LEASEHOLD_NATS_${ways[0] as string}; keep one`,
      );
    }
    const auth =
      password ??
      (token === undefined ? undefined : { token }) ??
      (creds === undefined
        ? undefined
        : { credentials: this.#file('LEASEHOLD_NATS_CREDS_FILE') ?? '' });
    return { servers, ...(tls && { tls }), ...(auth && { auth }) };
  }

  etcd(): EtcdConfig {
    const urls = this.#urls(
      'LEASEHOLD_ETCD_URLS',
      ['http:', 'https:'],
      'http://127.0.0.1:2379',
      undefined,
    );
    const tls = this.#tls('LEASEHOLD_ETCD');
    const auth = this.#password('LEASEHOLD_ETCD');
    if (tls !== undefined && urls.some((url) => url.startsWith('http:'))) {
      this.#problem(
        'LEASEHOLD_ETCD_URLS',
        'must be https:// because certificates are given for etcd',
      );
    }
    if (tls !== undefined && tls.ca === undefined) {
      this.#problem('LEASEHOLD_ETCD_CA_FILE', 'is needed beside LEASEHOLD_ETCD_CERT_FILE');
    }
    const ca = tls?.ca;
    return { urls, ...(ca !== undefined && { tls: { ...tls, ca } }), ...(auth && { auth }) };
  }

  postgres(name: string, role: string): string {
    const example = `postgres://${role}:password@127.0.0.1:5432/leasehold`;
    return this.#urls(name, ['postgres:', 'postgresql:'], example, undefined, false)[0] ?? '';
  }

  #urls(
    name: string,
    schemes: string[],
    example: string,
    fallback: string[] | undefined,
    many = true,
  ): string[] {
    const text = this.text(name);
    if (text === undefined) {
      if (fallback !== undefined) return fallback;
      this.#problem(name, `is not set; set it to a URL such as ${example}`);
      return [];
    }
    const urls = many
      ? text
          .split(',')
          .map((url) => url.trim())
          .filter((url) => url !== '')
      : [text];
    const wrong = urls.find(
      (url) => !URL.canParse(url) || !schemes.includes(new URL(url).protocol),
    );
    if (wrong !== undefined || urls.length === 0) {
      // A URL may carry a password, so it is not repeated.
      const which = urls.length > 1 ? `its entry ${urls.indexOf(wrong ?? '') + 1} ` : '';
      this.#problem(
        name,
        `${which}must be a URL such as ${example}${many ? ' (several are joined by commas)' : ''}`,
      );
      return [];
    }
    return urls;
  }

  #tls(prefix: string): TlsConfig | undefined {
    const ca = this.#file(`${prefix}_CA_FILE`);
    const cert = this.#file(`${prefix}_CERT_FILE`);
    const key = this.#file(`${prefix}_KEY_FILE`);
    const hasCert = this.text(`${prefix}_CERT_FILE`) !== undefined;
    const hasKey = this.text(`${prefix}_KEY_FILE`) !== undefined;
    if (hasCert !== hasKey) {
      const [missing, given] = hasCert ? ['KEY', 'CERT'] : ['CERT', 'KEY'];
      this.#problem(`${prefix}_${missing}_FILE`, `is needed beside ${prefix}_${given}_FILE`);
    }
    if (ca === undefined && cert === undefined && key === undefined) return undefined;
    return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  }

  #password(prefix: string): { username: string; password: string } | undefined {
    const username = this.text(`${prefix}_USERNAME`);
    const password = this.text(`${prefix}_PASSWORD`);
    if (username === undefined && password === undefined) return undefined;
    if (username === undefined || password === undefined) {
      const [missing, given] =
        username === undefined ? ['USERNAME', 'PASSWORD'] : ['PASSWORD', 'USERNAME'];
      this.#problem(`${prefix}_${missing}`, `is needed beside ${prefix}_${given}`);
      return undefined;
    }
    return { username, password };
  }

  #file(name: string): string | undefined {
    const path = this.text(name);
    if (path === undefined) return undefined;
    try {
      return this.#readFile(path);
    } catch (cause) {
      this.#problem(name, `names a file that cannot be read: ${errorText(cause)}`);
      return undefined;
    }
  }

  #problem(name: string, problem: string): void {
    this.#problems.push(`${name} ${problem}`);
  }
}
