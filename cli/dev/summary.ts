import { join } from 'node:path';

import { withoutCredentials } from '../../src/redaction.ts';
import type { DevStack } from './stack.ts';
import { shellCommand, shellQuote } from '../../src/shell-quote.ts';
import { table } from '../render/table.ts';
import type { Style } from '../render/table.ts';

/** What runs where, and commands to try. */
export function summaryText(dev: DevStack, style: Style): string {
  const line = dev.readyLine;
  const urls: Record<string, string> = {
    etcd: line.etcdUrls.join(','),
    nats: line.natsUrls.join(','),
    postgres: withoutCredentials(line.databaseUrl),
    ledger: line.ledgerUrl,
  };
  const rows = [
    ...line.replicas.map(({ replicaId, pid, httpUrl }) => [replicaId, pid, `${httpUrl}/readyz`]),
    ...line.servers.map(({ name, pid }) => [name, pid, urls[name] ?? '']),
  ];
  const exports = [
    exported('LEASEHOLD_NATS_URLS', line.natsUrls.join(',')),
    exported('LEASEHOLD_ETCD_URLS', line.etcdUrls.join(',')),
    exported('LEASEHOLD_DATABASE_URL', line.databaseUrl),
    ...(line.ownerDatabaseUrl === null
      ? []
      : [exported('LEASEHOLD_OWNER_DATABASE_URL', line.ownerDatabaseUrl)]),
    ...(line.namespace === 'default' ? [] : [exported('LEASEHOLD_NAMESPACE', line.namespace)]),
    exported('LEDGER_URL', line.ledgerUrl),
  ];
  const program = shellCommand('node', join(dev.packageDir, 'dist', 'cli', 'main.js'));
  return [
    table(['PROCESS', 'PID', 'URL'], rows, style),
    '',
    `Logs: ${dev.logDir}`,
    ...(dev.dataDir === undefined ? [] : [`Data: ${dev.dataDir}, kept for the next run`]),
    `Commands of cells run in ${process.cwd()}.`,
    '',
    'In another terminal, set up the shell:',
    '',
    ...exports.map((assignment) => `  ${assignment}`),
    `  alias leasehold=${shellQuote(program)}`,
    '',
    'Then try:',
    '',
    '  leasehold start refund-7 --runbook example-refund --input order=7',
    '  leasehold advance refund-7',
    '  leasehold claim refund-7 approved',
    '  leasehold advance refund-7',
    '  leasehold status refund-7 --log',
    '  curl "$LEDGER_URL/effects?key=refund-7/charge/1"',
    '  leasehold replicas',
    '',
    'The first advance parks until the claim is approved; the second completes the refund.',
    'Kill a replica by its pid in the middle of an effect, and watch another take over.',
  ].join('\n');
}

/** The command that sets a variable. A password is not shown: its owner has it already. */
function exported(name: string, value: string): string {
  return withoutCredentials(value) === value
    ? `export ${name}=${shellQuote(value)}`
    : `# ${name} as it is set here: it has a password`;
}
