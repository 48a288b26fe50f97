import { postgresTlsProblem } from './postgres-tls.ts';

/** An address in the form that the clients take, or what is wrong with it. */
export type Address = { ok: true; url: string } | { ok: false; problem: string };

const DEFAULT_ETCD_PORT = 2379;

/**
 * The address of an etcd member. The client takes a host and a port and would look up anything else
 * as a host name, for as long as the process lives.
 */
export function etcdAddress(text: string): Address {
  const read = readUrl(text, ['http:', 'https:']);
  if (read === undefined) return wrong('must be a URL such as http://127.0.0.1:2379');
  const extra = extraPart(read.url, 'LEASEHOLD_ETCD');
  if (extra !== undefined) return wrong(extra);
  const { protocol, hostname } = read.url;
  return { ok: true, url: `${protocol}//${hostname}:${read.port ?? DEFAULT_ETCD_PORT}` };
}

/** The address of a NATS server. */
export function natsAddress(text: string): Address {
  const read = readUrl(text, ['nats:', 'tls:']);
  if (read === undefined) return wrong('must be a URL such as nats://127.0.0.1:4222');
  const extra = extraPart(read.url, 'LEASEHOLD_NATS');
  if (extra !== undefined) return wrong(extra);
  const { protocol, hostname } = read.url;
  return {
    ok: true,
    url: `${protocol}//${hostname}${read.port === undefined ? '' : `:${read.port}`}`,
  };
}

/** The URL of a Postgres database. With several hosts it would parse, and never resolve. */
export function postgresAddress(text: string, example: string): Address {
  if (/^[a-z]+:\/\/(?:[^/?#]*@)?[^/?#]*,/i.test(text))
    return wrong('names several hosts; name one, or the address of a proxy that finds the primary');
  const read = readUrl(text, ['postgres:', 'postgresql:']);
  if (read === undefined) return wrong(`must be a URL such as ${example}`);
  const { url } = read;
  // A client takes the whole path as the database's name.
  const database = url.pathname.replace(/^\//, '').replace(/\/$/, '');
  if (database === '') return wrong(`names no database; write it as in ${example}`);
  if (database.includes('/'))
    return wrong('has a path; write the name of one database after the host');
  if (url.hash !== '') return wrong('has a #; write %23 for a # in a name or password');
  if (url.hostname === '' && !url.searchParams.has('host'))
    return wrong('names no host; for a socket, add ?host=/the/folder/of/the/socket');
  const tls = postgresTlsProblem(url);
  if (tls !== undefined) return wrong(tls);
  if (url.pathname.endsWith('/')) url.pathname = `/${database}`;
  return { ok: true, url: url.href };
}

/** The URL, and the port as it is written: URL leaves out a scheme's own. */
function readUrl(
  text: string,
  schemes: readonly string[],
): { url: URL; port: string | undefined } | undefined {
  if (/\s/.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!schemes.includes(url.protocol)) return undefined;
  const authority = /^[a-z]+:\/\/(?:[^/?#]*@)?([^/?#]*)/i.exec(text)?.[1] ?? '';
  if (authority.includes(',')) return undefined;
  return { url, port: /:(\d+)$/.exec(authority)?.[1] };
}

/** What a client would ignore, or take for a part of the host's name. */
function extraPart(url: URL, variables: string): string | undefined {
  if (url.username !== '' || url.password !== '')
    return `has a user name; set ${variables}_USERNAME and ${variables}_PASSWORD instead`;
  if (url.hostname === '') return 'names no host';
  if (url.pathname !== '' && url.pathname !== '/')
    return 'has a path; write the host and the port only';
  if (url.search !== '' || url.hash !== '') return 'has a ? or #; write the host and the port only';
  return undefined;
}

function wrong(problem: string): Address {
  return { ok: false, problem };
}
