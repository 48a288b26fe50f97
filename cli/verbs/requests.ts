import { Option } from 'commander';

import type { ListedRequest } from '../../advancer/log/requests.ts';
import type { PoisonStream } from '../../src/bus/request-stream.ts';
import { RECORDED_OUTCOMES, REFUSED_OUTCOMES } from '../../src/request/receipt.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, idFlag } from '../flags.ts';
import { addSharedOptions } from '../shared-options.ts';
import type { SharedOptions } from '../shared-options.ts';
import { printJson, type Terminal } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withLog } from '../with-log.ts';

interface RequestsOptions {
  requestId?: string;
  instance?: string;
  sentBy?: string;
  outcome?: string;
  limit: number;
  poison?: boolean;
  resend?: number;
}

/** Outcomes that are never recorded. */
const NOT_RECORDED: readonly string[] = ['in_flight', 'unavailable'];
const OUTCOMES = [...RECORDED_OUTCOMES, ...REFUSED_OUTCOMES].filter(
  (outcome) => !NOT_RECORDED.includes(outcome),
);

/** `leasehold requests` */
export const requests: DefineVerb = (command, register) => {
  addSharedOptions(command, ['json', 'namespace', 'database', 'nats'])
    .description(
      'List requests that have their receipt, newest first. Reads the database. With --poison, ' +
        'list enqueued messages that cannot be served, and why; that reads NATS, with the rights ' +
        'of a replica.',
    )
    .option('--request-id <id>', 'only this request', idFlag)
    .option('--instance <id>', 'only requests on this instance', idFlag)
    .option('--sent-by <agent>', 'only requests of this agent', idFlag)
    .addOption(new Option('--outcome <outcome>', 'only this outcome').choices(OUTCOMES))
    .option('--limit <n>', 'list at most this many', countFlag, 100)
    .option('--poison', 'list the messages that cannot be served, oldest first')
    .option('--resend <n>', 'enqueue this one of them again, as it was', countFlag);
  register<RequestsOptions>(command, (terminal, options) => {
    if (options.resend !== undefined) return resend(terminal, options, options.resend);
    if (options.poison === true) return listPoison(terminal, options);
    return listRecorded(terminal, options);
  });
};

function listRecorded(terminal: Terminal, options: SharedOptions & RequestsOptions) {
  const { requestId, instance: instanceId, sentBy: agentId, outcome, limit } = options;
  return withLog(terminal, options, async (log) => {
    const found = await log.requests.list({ requestId, instanceId, agentId, outcome, limit });
    if (options.json === true) for (const one of found) printJson(terminal, one);
    else if (found.length === 0) terminal.out('no requests found');
    else await printTable(terminal, found);
    return EXIT.done;
  });
}

async function printTable(terminal: Terminal, found: readonly ListedRequest[]): Promise<void> {
  const [{ table }, { ago }] = await Promise.all([
    import('../render/table.ts'),
    import('../render/time.ts'),
  ]);
  const now = Date.now();
  const rows = found.map(({ requestId, instanceId, outcome, agentId, recordedAt }) => [
    requestId,
    instanceId,
    outcome,
    agentId,
    ago(recordedAt, now),
  ]);
  terminal.out(table(['REQUEST', 'INSTANCE', 'OUTCOME', 'AGENT', 'RECORDED'], rows, terminal));
}

function listPoison(terminal: Terminal, options: SharedOptions & RequestsOptions) {
  return withPoison(terminal, options, async (poison) => {
    const found = await poison.list(options.limit);
    if (options.json === true) {
      for (const { data, ...message } of found)
        printJson(terminal, { ...message, body: Buffer.from(data).toString('utf8') });
      return EXIT.done;
    }
    if (found.length === 0) {
      terminal.out('every enqueued message can be served');
      return EXIT.done;
    }
    const [{ table, clean }, { ago }, { suggestion }] = await Promise.all([
      import('../render/table.ts'),
      import('../render/time.ts'),
      import('../../src/shell-quote.ts'),
    ]);
    const now = Date.now();
    const rows = found.map(({ seq, subject, reason, storedAt, data }) => [
      seq,
      subject.split('.').slice(3).join('.'),
      clean(reason),
      ago(storedAt, now),
      clean(Buffer.from(data).toString('utf8').slice(0, 120)),
    ]);
    terminal.out(table(['N', 'INSTANCE', 'WHY', 'ENQUEUED', 'BODY'], rows, terminal));
    const [first] = found;
    terminal.err(
      `to enqueue one again: ${suggestion('requests', [], ['--resend', String(first?.seq)])}`,
    );
    return EXIT.done;
  });
}

function resend(terminal: Terminal, options: SharedOptions & RequestsOptions, seq: number) {
  return withPoison(terminal, options, async (poison) => {
    const stored = await poison.resend(seq);
    if (stored === undefined) {
      const { reportFailure } = await import('../failure.ts');
      const message = `there is no message ${seq} that cannot be served`;
      return reportFailure(terminal, options.json === true, { code: 'not_found', message });
    }
    if (options.json === true) printJson(terminal, stored);
    else terminal.out(`stored again as message ${stored.seq} of ${stored.stream}`);
    return EXIT.done;
  });
}

async function withPoison(
  terminal: Terminal,
  options: SharedOptions,
  use: (poison: PoisonStream) => Promise<number>,
): Promise<number> {
  const { withPoisonStream } = await import('../with-poison-stream.ts');
  return withPoisonStream(terminal, options, use);
}
