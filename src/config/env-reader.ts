import type { z } from 'zod';

import { errorText } from '../error-text.ts';
import { Id } from '../ids.ts';
import { withoutCredentials } from '../redaction.ts';
import type { Setting } from './command-settings.ts';
import { etcdAddress, natsAddress, postgresAddress, type Address } from './addresses.ts';
import { ConfigError } from './config-error.ts';
import { parseHttpAllow, type HttpAllow } from './http-allow.ts';
import { postgresTarget } from './postgres-tls.ts';
import type { ReadFile } from './read-file.ts';
import {
  DEFAULT_INBOX_PREFIX,
  DEFAULT_REPLY_PREFIXES,
  isReplySubject,
  parseInboxPrefix,
  parseReplyPrefixes,
} from './reply-prefixes.ts';
import type { EtcdConfig, NatsConfig } from './servers.ts';
import { tlsFiles, type TlsTexts } from './tls-texts.ts';

/** A process's environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads variables one by one and collects their problems, so that all of them are reported at once.
 */
export class EnvReader {
  readonly #env: Environment;
  readonly #readFile: ReadFile;
  readonly #problems: string[] = [];

  constructor(env: Environment, readFile: ReadFile) {
    this.#env = env;
    this.#readFile = readFile;
  }

  /** @throws ConfigError if there were any problems */
  done(): void {
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
  }

  /** A variable that is set to the empty string counts as not set. */
  text(name: string): string | undefined {
    const text = this.#env[name]?.trim();
    return text === '' ? undefined : text;
  }

  value<T>(name: string, schema: z.ZodType<T>, fallback: T): T {
    const text = this.text(name);
    if (text === undefined) return fallback;
    const result = schema.safeParse(text);
    if (result.success) return result.data;
    this.problem(
      name,
      `${result.error.issues[0]?.message ?? 'is not usable'}, not ${JSON.stringify(withoutCredentials(text))}`,
    );
    return fallback;
  }

  namespace(): string {
    return this.value('LEASEHOLD_NAMESPACE', Id, 'default');
  }

  nats(fallback?: string[]): NatsConfig {
    const servers = this.#urls(
      'LEASEHOLD_NATS_URLS',
      natsAddress,
      'nats://127.0.0.1:4222',
      fallback,
    );
    // The client itself ignores the scheme, and would connect without TLS.
    const secure = servers.filter((server) => server.startsWith('tls:')).length;
    if (secure > 0 && secure < servers.length) {
      this.problem('LEASEHOLD_NATS_URLS', 'mixes nats:// and tls://; use one for all servers');
    }
    const tls = this.#tls('LEASEHOLD_NATS');
    const password = this.#password('LEASEHOLD_NATS');
    const token = this.text('LEASEHOLD_NATS_TOKEN');
    const creds = this.text('LEASEHOLD_NATS_CREDS_FILE');
    const ways = [password && 'USERNAME', token && 'TOKEN', creds && 'CREDS_FILE'].filter(Boolean);
    if (ways.length > 1) {
      this.problem(
        `LEASEHOLD_NATS_${ways[1] as string}`,
        `cannot be used together with LEASEHOLD_NATS_${ways[0] as string}; keep one`,
      );
    }
    this.#file('LEASEHOLD_NATS_CREDS_FILE');
    const auth =
      password ??
      (token === undefined ? undefined : { token }) ??
      (creds === undefined ? undefined : { credentials: () => this.#readFile(creds) });
    const inboxPrefix = this.#inboxPrefix();
    return {
      servers,
      ...(tls && { tls }),
      ...(auth && { auth }),
      ...(inboxPrefix !== undefined && { inboxPrefix }),
    };
  }

  /** Where a replica may send replies: to its own inbox too, since replicas ask each other. */
  replyPrefixes(): readonly string[] {
    const name = 'LEASEHOLD_NATS_REPLY_PREFIXES';
    const text = this.text(name);
    const parsed = text === undefined ? undefined : parseReplyPrefixes(text);
    if (parsed?.ok === false) this.problem(name, parsed.problem);
    const prefixes = parsed?.ok === true ? parsed.value : DEFAULT_REPLY_PREFIXES;
    const inbox = `${this.#inboxPrefix(false) ?? DEFAULT_INBOX_PREFIX}.`;
    if (parsed?.ok !== false && !isReplySubject(inbox, prefixes)) {
      this.problem(
        'LEASEHOLD_NATS_INBOX_PREFIX',
        `is under none of ${prefixes.join(', ')} (${name}), so other replicas would not reply to this one`,
      );
    }
    return prefixes;
  }

  #inboxPrefix(report = true): string | undefined {
    const name = 'LEASEHOLD_NATS_INBOX_PREFIX';
    const text = this.text(name);
    if (text === undefined) return undefined;
    const parsed = parseInboxPrefix(text);
    if (parsed.ok) return parsed.value;
    if (report) this.problem(name, parsed.problem);
    return undefined;
  }

  etcd(): EtcdConfig {
    const urls = this.#urls('LEASEHOLD_ETCD_URLS', etcdAddress, 'http://127.0.0.1:2379', undefined);
    const tls = this.#tls('LEASEHOLD_ETCD');
    const auth = this.#password('LEASEHOLD_ETCD');
    const secure = urls.filter((url) => url.startsWith('https:')).length;
    if (secure > 0 && secure < urls.length)
      this.problem('LEASEHOLD_ETCD_URLS', 'mixes http:// and https://; use one for all members');
    if (tls !== undefined && secure < urls.length) {
      this.problem(
        'LEASEHOLD_ETCD_URLS',
        'must be https://, because certificates are given for etcd',
      );
    }
    return { urls, ...(tls && { tls }), ...(auth && { auth }) };
  }

  /** Where cells may call; undefined where it is not set. */
  httpAllow(): HttpAllow {
    const name = 'LEASEHOLD_HTTP_ALLOW';
    const text = this.text(name);
    if (text === undefined) return undefined;
    const { entries, problems } = parseHttpAllow(text);
    for (const problem of problems) this.problem(name, problem);
    return entries;
  }

  /** A variable with a syntax that has its own reader; undefined where it is not set or wrong. */
  setting<T>(name: string, read: (text: string) => Setting<T>): T | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const result = read(text);
    if (result.ok) return result.value;
    this.problem(name, result.problem);
    return undefined;
  }

  postgres(name: string, role: string): string {
    const example = `postgres://${role}:password@127.0.0.1:5432/leasehold`;
    const read = (text: string): Address => postgresAddress(text, example);
    const [url] = this.#urls(name, read, example, undefined, false);
    if (url === undefined) return '';
    const { tls } = postgresTarget(url, name, this.#readFile);
    try {
      if (typeof tls === 'object') tls.read();
    } catch (cause) {
      // The message begins with the parameter.
      this.problem(name, `is wrong: ${errorText(cause)}`);
    }
    return url;
  }

  /**
   * A secret, in the variable itself or in the file that the variable with `_FILE` names; the line
   * break at the end of the file does not count.
   */
  secret(name: string): string | undefined {
    const given = this.#env[name];
    const direct = given === '' ? undefined : given;
    const file = `${name}_FILE`;
    if (direct !== undefined && this.text(file) !== undefined) {
      this.problem(file, `cannot be used together with ${name}; keep one`);
    }
    const content = this.#file(file)?.replace(/\r?\n$/, '');
    if (content === '') this.problem(file, 'names an empty file; write the password into it');
    return direct ?? content;
  }

  /** A URL with another password than the one that its role gets could never log in. */
  requirePassword(name: string, url: string | undefined, password: string | undefined): void {
    if (url === undefined || !URL.canParse(url) || password === undefined) return;
    const own = new URL(url).password;
    if (own === '' || decodeURIComponent(own) === password) return;
    this.problem(name, 'has another password than LEASEHOLD_APP_PASSWORD; give both the same');
  }

  #urls(
    name: string,
    read: (text: string) => Address,
    example: string,
    fallback: string[] | undefined,
    many = true,
  ): string[] {
    const text = this.text(name);
    if (text === undefined) {
      if (fallback !== undefined) return fallback;
      this.problem(name, `is not set; set it to a URL such as ${example}`);
      return [];
    }
    const entries = many
      ? text
          .split(',')
          .map((entry) => entry.trim())
          .filter((entry) => entry !== '')
      : [text];
    const urls: string[] = [];
    for (const [index, entry] of entries.entries()) {
      const address = read(entry);
      if (address.ok) {
        urls.push(address.url);
        continue;
      }
      // A URL may contain a password, so it is not repeated.
      const which = entries.length > 1 ? `its entry ${index + 1} ` : '';
      this.problem(
        name,
        `${which}${address.problem}${many ? ' (separate several with commas)' : ''}`,
      );
      return [];
    }
    if (urls.length === 0) this.problem(name, `must be a URL such as ${example}`);
    return urls;
  }

  #tls(prefix: string): (() => TlsTexts) | undefined {
    const [ca, cert, key] = (['CA', 'CERT', 'KEY'] as const).map((what) =>
      this.text(`${prefix}_${what}_FILE`),
    );
    if ((cert === undefined) !== (key === undefined)) {
      const [missing, given] = cert === undefined ? ['CERT', 'KEY'] : ['KEY', 'CERT'];
      this.problem(`${prefix}_${missing}_FILE`, `is required with ${prefix}_${given}_FILE`);
      return undefined;
    }
    if (ca === undefined && cert === undefined) return undefined;
    const read = tlsFiles(prefix, { ca, cert, key }, this.#readFile);
    try {
      read();
    } catch (cause) {
      this.#problems.push(errorText(cause));
    }
    return read;
  }

  #password(prefix: string): { username: string; password: string } | undefined {
    const username = this.text(`${prefix}_USERNAME`);
    const password = this.text(`${prefix}_PASSWORD`);
    if (username === undefined && password === undefined) return undefined;
    if (username === undefined || password === undefined) {
      const [missing, given] =
        username === undefined ? ['USERNAME', 'PASSWORD'] : ['PASSWORD', 'USERNAME'];
      this.problem(`${prefix}_${missing}`, `is required with ${prefix}_${given}`);
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
      this.problem(name, `names a file that cannot be read: ${errorText(cause)}`);
      return undefined;
    }
  }

  /** Notes what is wrong with a variable; `problem` goes on after its name. */
  problem(name: string, problem: string): void {
    this.#problems.push(`${name} ${problem}`);
  }
}
