import type {
  ListedSchedule,
  ScheduleDetails,
  ScheduleReply,
  TickView,
} from '../../src/request/schedule-reply.ts';
import { suggestion } from '../../src/shell-quote.ts';
import { brief, clean, cut, table } from './table.ts';
import type { Style } from './table.ts';
import { ago } from './time.ts';

type When = Pick<ScheduleDetails, 'cron' | 'every' | 'timezone'>;

/** What a put came to. */
export function revisedText({ scheduleId, revision, next }: ScheduleReply): string {
  return [
    clean(`schedule ${scheduleId} is at revision ${revision}; ${nextText(next)}`),
    `see: ${suggestion('schedule show', [scheduleId])}`,
  ].join('\n');
}

/** What became of a schedule that was paused, resumed or deleted. */
export function changedText(
  verb: 'pause' | 'resume' | 'delete',
  { scheduleId, revision, next }: ScheduleReply,
): string {
  const at = `(revision ${revision})`;
  if (verb === 'resume') return clean(`schedule ${scheduleId} goes on ${at}; ${nextText(next)}`);
  return clean(`schedule ${scheduleId} is ${verb}d ${at}`);
}

/** The schedules, one a line. */
export function schedulesTable(schedules: readonly ListedSchedule[], style: Style): string {
  return table(
    ['SCHEDULE', 'RUNBOOK', 'WHEN', 'NEXT', 'NEWEST TICK', 'OUTCOME'],
    schedules.map((one) => [
      one.scheduleId,
      runbookText(one),
      whenText(one),
      one.paused ? 'paused' : (one.next[0] ?? 'never'),
      one.newest?.tick,
      one.newest?.outcome,
    ]),
    style,
  );
}

/** A schedule, its next ticks and what became of the newest ones. */
export function scheduleText(details: ScheduleDetails, style: Style, nowMs: number): string {
  const { scheduleId, revision, paused, inputs, overlap, catchUp, jitter, unattended } = details;
  const rules = [
    overlap === 'skip' ? 'skips a tick while the instance before runs' : 'instances may overlap',
    {
      last: 'starts the last missed tick late',
      all: 'starts missed ticks late',
      none: 'leaves missed ticks out',
    }[catchUp],
    ...(jitter === undefined ? [] : [`delays ticks by up to ${jitter}`]),
    unattended ? 'instances advance by themselves' : 'instances advance when asked',
  ];
  const lines = [
    clean(`${scheduleId}  revision ${revision}  ${paused ? 'paused' : 'active'}`),
    clean(`starts ${runbookText(details)} ${whenText(details)}`),
    clean(rules.join('; ')),
    clean(`put by ${details.agentId} ${ago(details.recordedAt, nowMs)}`),
    ...(Object.keys(inputs).length === 0 ? [] : [clean(`inputs: ${brief(inputs, 200)}`)]),
    '',
    ...(paused
      ? [`paused; go on with: ${suggestion('schedule resume', [scheduleId])}`]
      : ['next:', ...tickLines(details.next, details.timezone).map((line) => `  ${line}`)]),
  ];
  if (details.ticks.length > 0) lines.push('', ticksTable(details.ticks, style));
  const faults = details.ticks.filter(({ outcome }) => outcome === 'invalid');
  const [newest] = faults;
  if (newest?.reason !== undefined)
    lines.push('', clean(`the tick ${newest.tick} could start nothing: ${newest.reason}`));
  return lines.join('\n');
}

/** Ticks in UTC, each with the time in its zone. */
export function tickLines(ticks: readonly string[], timezone: string | undefined): string[] {
  if (timezone === undefined || timezone === 'UTC') return [...ticks];
  const local = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    dateStyle: 'medium',
    timeStyle: 'long',
  });
  return ticks.map((tick) => `${tick}  ${local.format(new Date(tick))}`);
}

function ticksTable(ticks: readonly TickView[], style: Style): string {
  return table(
    ['TICK', 'OUTCOME', 'INSTANCE', 'WHY'],
    ticks.map(({ tick, from, outcome, instanceId, reason }) => [
      from === undefined ? tick : `${from} to ${tick}`,
      outcome,
      instanceId,
      reason === undefined ? undefined : cut(reason, 60),
    ]),
    style,
  );
}

function runbookText({
  runbookId,
  version,
}: Pick<ScheduleDetails, 'runbookId' | 'version'>): string {
  return version === undefined ? runbookId : `${runbookId} v${version}`;
}

function whenText({ cron, every, timezone }: When): string {
  return cron === undefined ? `every ${every}` : `at ${cron} (${timezone ?? 'UTC'})`;
}

function nextText([first]: readonly string[]): string {
  return first === undefined ? 'it has no next tick' : `its next tick is ${first}`;
}
