/*
 * Where cells may call: LEASEHOLD_HTTP_ALLOW, and what holds without it. An address is judged, not
 * only a name, because a name can lead anywhere.
 */

import { withoutCredentials } from '../redaction.ts';
import {
  contains,
  embeddedV4,
  parseIp,
  parseNetwork,
  type IpAddress,
  type IpNetwork,
} from './ip-address.ts';

/** The entries of LEASEHOLD_HTTP_ALLOW; undefined where it is not set. */
export type HttpAllow = readonly HttpAllowEntry[] | undefined;

/** One entry: an origin, a host with or without its port, or a network. */
export type HttpAllowEntry = {
  /** `http:` or `https:`; undefined: both. */
  readonly protocol?: string | undefined;
  /** undefined: every port. */
  readonly port?: number | undefined;
} & (
  | { readonly network: IpNetwork; readonly name?: never }
  /** Lower case; `*.example.com` stands for every name below `example.com`. */
  | { readonly name: string; readonly network?: never }
);

/** The text that permits every address, for replicas whose receivers run on the same machine. */
export const ALLOW_EVERYWHERE = '0.0.0.0/0,::/0';

/** What {@link parseHttpAllow} found. */
export interface ParsedHttpAllow {
  entries: HttpAllowEntry[];
  /** One per wrong entry, which it names; continues a sentence after the variable's name. */
  problems: string[];
}

/** Reads a comma-separated list of origins, hosts and networks. */
export function parseHttpAllow(text: string): ParsedHttpAllow {
  const texts = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  const parsed: ParsedHttpAllow = { entries: [], problems: [] };
  if (texts.length === 0) parsed.problems.push(`must list ${FORMS}; it lists nothing`);
  for (const [i, entryText] of texts.entries()) {
    const entry = parseEntry(entryText);
    if (typeof entry !== 'string') parsed.entries.push(entry);
    else {
      const shown = withoutCredentials(entryText);
      parsed.problems.push(`entry ${i + 1} ${JSON.stringify(shown)} ${entry}`);
    }
  }
  return parsed;
}

const FORMS =
  'origins (https://api.example:8443), hosts (api.example, *.example, 10.0.0.7:8080) and networks (10.0.0.0/8, fd00::/8)';

/** The entry, or what is wrong with it. */
function parseEntry(text: string): HttpAllowEntry | string {
  if (text.includes('@')) return 'must not have a user or a password';
  const origin = /^([a-z][a-z0-9+.-]*):\/\/(.*)$/is.exec(text);
  if (origin === null && text.includes('/')) {
    const network = parseNetwork(text);
    if (network !== undefined) return { network };
    return /^[\d.:a-f]+\//i.test(text)
      ? 'must be a network such as 10.0.0.0/8 or fd00::/8'
      : `has a path: write the host alone, ${JSON.stringify(text.replace(/\/.*$/s, ''))}`;
  }
  const protocol = origin === null ? undefined : `${origin[1]?.toLowerCase()}:`;
  if (protocol !== undefined && protocol !== 'http:' && protocol !== 'https:')
    return `must begin with http:// or https://, not ${protocol}//`;
  const place = (origin?.[2] ?? text).replace(/\/$/, '');
  if (/[/?#\\]/.test(place)) return 'must be an origin, without a path, a query or a fragment';
  if (place.includes('%')) return 'must not have a % (a zone cannot be named)';
  return parsePlace(place, protocol);
}

/** A host, an address, or either with its port. */
function parsePlace(text: string, protocol: string | undefined): HttpAllowEntry | string {
  const bare = parseIp(text);
  if (bare !== undefined && text.includes(':'))
    return protocol === undefined
      ? { network: { base: bare, prefix: bare.bits } }
      : `must have its IPv6 address in brackets: ${protocol}//[${text}]`;
  const wildcard = text.startsWith('*.') ? '*.' : '';
  const withoutWildcard = text.slice(wildcard.length);
  const [, hostText = '', portText] = /^(.*?)(?::(\d*))?$/s.exec(withoutWildcard) ?? [];
  if (portText !== undefined && !(Number(portText) >= 1 && Number(portText) <= 65_535))
    return 'must have a port from 1 to 65535 after the colon';
  // The URL parser decides which address or name this is, as it does for the URLs of cells.
  const url = `http://${hostText}`;
  const host = hostText !== '' && URL.canParse(url) ? hostOf(new URL(url)) : '';
  const limits = {
    ...(protocol !== undefined && { protocol }),
    ...(portText !== undefined
      ? { port: Number(portText) }
      : protocol !== undefined && { port: portOf(new URL(`${protocol}//x`)) }),
  };
  const network = parseNetwork(host);
  if (network !== undefined)
    return wildcard === '' ? { ...limits, network } : 'must not have *. before an address';
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(host))
    return `is neither an origin nor a host nor a network: there can be ${FORMS}`;
  return { ...limits, name: `${wildcard}${host}` };
}

/** Where a call leads: its URL, and one of the addresses of the URL's host. */
export interface CallTarget {
  readonly url: URL;
  readonly address: string;
}

/** Why a replica must not call there; undefined if it may. */
export function callRefusal(allow: HttpAllow, { url, address }: CallTarget): string | undefined {
  const ip = parseIp(address);
  const host = hostOf(url);
  if (ip === undefined) return `${host} is at ${JSON.stringify(address)}, which is not an address`;
  const where = host === address ? url.host : `${url.host} (at ${address})`;
  const local = localKind(ip);
  if (allow === undefined) {
    if (local === undefined) return undefined;
    return (
      `${where} is ${local}, which cells may not call: ` +
      `a replica permits it only if its LEASEHOLD_HTTP_ALLOW lists ${address}`
    );
  }
  const listed = allow.filter(
    ({ protocol = url.protocol, port }) =>
      protocol === url.protocol && (port === undefined || port === portOf(url)),
  );
  if (listed.some(({ network }) => network !== undefined && contains(network, ip)))
    return undefined;
  const byName = listed.some(({ name }) => name !== undefined && isNamed(host, name));
  if (!byName) return `${where} is not in this replica's LEASEHOLD_HTTP_ALLOW`;
  // A name is trusted to lead to its owner's machines, not back into the replica's own.
  if (local === undefined || (local === LOOPBACK && /(^|\.)localhost$/.test(host)))
    return undefined;
  return (
    `${where} is ${local}: this replica's LEASEHOLD_HTTP_ALLOW lists the name, ` +
    `and must list ${address} too`
  );
}

function isNamed(host: string, name: string): boolean {
  return name.startsWith('*.') ? host.endsWith(name.slice(1)) : host === name;
}

/** The host of a URL without an address's brackets or a name's last dot. */
export function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
}

/** The port of an http or https URL. */
export function portOf({ port, protocol }: URL): number {
  if (port !== '') return Number(port);
  return protocol === 'https:' ? 443 : 80;
}

const LOOPBACK = 'a loopback address';

/** Addresses that lead back into the replica's machine or its platform. */
const LOCAL: readonly (readonly [kind: string, network: string])[] = [
  // The services that hand out a machine's credentials.
  ['a metadata address', '169.254.169.254'],
  ['a metadata address', 'fd00:ec2::254'],
  ['a metadata address', 'fd20:ce::254'],
  ['a metadata address', '100.100.100.200'],
  ['a metadata address', '192.0.0.192'],
  ['a metadata address', '168.63.129.16'],
  [LOOPBACK, '127.0.0.0/8'],
  [LOOPBACK, '::1'],
  ['a link-local address', '169.254.0.0/16'],
  ['a link-local address', 'fe80::/10'],
  ['an unspecified address', '0.0.0.0/8'],
  ['an unspecified address', '::'],
];

const LOCAL_NETWORKS = LOCAL.map(([kind, text]) => {
  const network = parseNetwork(text);
  if (network === undefined) throw new Error(`${text} is not a network`);
  return { kind, network };
});

function localKind(ip: IpAddress): string | undefined {
  const v4 = embeddedV4(ip);
  return LOCAL_NETWORKS.find(
    ({ network }) => contains(network, ip) || (v4 !== undefined && contains(network, v4)),
  )?.kind;
}
