import type { PostgresLog } from '../../advancer/log/postgres-log.ts';
import type { Waiter } from '../../advancer/log/due.ts';
import { ConfigError } from '../../src/config/config-error.ts';
import { EXIT } from '../exit-code.ts';
import { countFlag, idFlag } from '../flags.ts';
import { addSharedOptions, DATABASE_OPTIONS } from '../shared-options.ts';
import { printJson, type Terminal } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withLog } from '../with-log.ts';

interface ClaimsOptions {
  json?: boolean;
  after?: string;
  limit: number;
}

/** For what attended instances wait is found by reading their logs; no more than these. */
const MAX_ATTENDED = 1_000;

/** An instance that waits for a claim. */
type ShownWaiter = Waiter & { unattended: boolean };

/** `leasehold claims [CLAIM]` */
export const claims: DefineVerb = (command, register) => {
  addSharedOptions(command, DATABASE_OPTIONS)
    .description(
      'List claims with their newest status, or show one: every status that it had, by whom and ' +
        'with what evidence, and which instances wait for it. Reads the database.',
    )
    .argument('[claim]', 'claim to show (default: list all)', idFlag)
    .option('--after <claim>', 'list only ids after this one: the next page', idFlag)
    .option('--limit <n>', 'show at most this many', countFlag, 100);
  register<ClaimsOptions>(command, (terminal, options, [claimId]) => {
    const { after, limit, json = false } = options;
    if (claimId !== undefined && after !== undefined)
      throw new ConfigError(['--after pages through the list of all claims; leave out the claim']);
    return withLog(terminal, options, (log) =>
      claimId === undefined
        ? listAll(terminal, { after: after ?? '', limit, json }, log)
        : showOne(terminal, { limit, json }, { log, claimId }),
    );
  });
};

async function listAll(
  terminal: Terminal,
  { json, after, limit }: { json: boolean; after: string; limit: number },
  log: PostgresLog,
): Promise<number> {
  const listed = await log.claimRecords.list(after, limit);
  if (json) {
    for (const claim of listed) printJson(terminal, claim);
    return EXIT.done;
  }
  const [{ table }, { ago }] = await Promise.all([
    import('../render/table.ts'),
    import('../render/time.ts'),
  ]);
  const nowMs = Date.now();
  if (listed.length === 0) terminal.out('no claims found');
  else {
    const rows = listed.map(({ claimId, status, revision, agentId, recordedAt, waiting }) => [
      claimId,
      status,
      revision,
      agentId,
      ago(recordedAt, nowMs),
      waiting,
    ]);
    const head = ['CLAIM', 'STATUS', 'REVISION', 'BY', 'CHANGED', 'WAITING'];
    terminal.out(table(head, rows, terminal));
  }
  const last = listed.at(-1);
  if (last !== undefined && listed.length === limit) {
    const { suggestion } = await import('../../src/shell-quote.ts');
    const flags = ['--after', last.claimId, '--limit', String(limit)];
    terminal.err(`there may be more: ${suggestion('claims', [], flags)}`);
  }
  return EXIT.done;
}

async function showOne(
  terminal: Terminal,
  { json, limit }: { json: boolean; limit: number },
  { log, claimId }: { log: PostgresLog; claimId: string },
): Promise<number> {
  const revisions = await log.claimRecords.revisions(claimId, limit);
  const { waiting, isCut } = await waitersOf(log, claimId, limit);
  if (json) {
    const cut = isCut ? { waitingTruncated: true } : {};
    printJson(terminal, { claimId, revisions, waiting, ...cut });
    return EXIT.done;
  }
  const [{ table, brief }, { ago }] = await Promise.all([
    import('../render/table.ts'),
    import('../render/time.ts'),
  ]);
  const nowMs = Date.now();
  if (revisions.length === 0) terminal.out(`claim ${claimId} was never made`);
  else {
    const rows = revisions.map(({ revision, status, agentId, recordedAt, evidence }) => [
      revision,
      status,
      agentId,
      ago(recordedAt, nowMs),
      evidence === null ? '' : brief(evidence, 60),
    ]);
    terminal.out(table(['REVISION', 'STATUS', 'BY', 'MADE', 'EVIDENCE'], rows, terminal));
  }
  terminal.out('');
  if (waiting.length === 0) terminal.out('no instance waits for it');
  else {
    const rows = waiting.map(({ instanceId, statuses, unattended }) => [
      instanceId,
      statuses.join(', '),
      unattended ? 'goes on by itself' : 'when it is asked',
    ]);
    terminal.out(table(['WAITING', 'FOR STATUS', 'MOVES'], rows, terminal));
  }
  if (isCut) terminal.err('there may be more that wait');
  return EXIT.done;
}

/** Who waits for a claim: unattended instances by an index, attended ones by their logs. */
async function waitersOf(
  log: PostgresLog,
  claimId: string,
  limit: number,
): Promise<{ waiting: ShownWaiter[]; isCut: boolean }> {
  const [{ parkedOn }, { viewOf }] = await Promise.all([
    import('../../advancer/run/parked-on.ts'),
    import('../../advancer/run/view-of.ts'),
  ]);
  const unattended = await log.claimRecords.waiters(claimId, limit);
  const waiting: ShownWaiter[] = unattended.map((one) => ({ ...one, unattended: true }));
  const parked = await log.claimRecords.parkedAttended(MAX_ATTENDED);
  for (const instanceId of parked) {
    const snapshot = await log.snapshot(instanceId);
    const on = snapshot && (await parkedOn(log, instanceId, viewOf(snapshot)));
    if (typeof on !== 'object' || !('awaiting' in on) || on.awaiting.claimId !== claimId) continue;
    const { statuses } = on.awaiting;
    waiting.push({ instanceId, statuses, revision: on.revision, unattended: false });
  }
  const isCut = unattended.length === limit || parked.length === MAX_ATTENDED;
  return { waiting: waiting.slice(0, limit), isCut: isCut || waiting.length > limit };
}
