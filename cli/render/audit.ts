import type { AuditSummary, CheckCount } from '../../src/audit/audit.ts';
import type { Breach } from '../../src/audit/check.ts';
import type { ScheduleBreach } from '../../src/audit/schedule-audit.ts';
import type { Terminal } from '../terminal.ts';
import { Progress } from './progress.ts';
import { clean, table } from './table.ts';
import type { Style } from './table.ts';
import { span } from './time.ts';

/** Every check, what it looked at and its verdict. */
export function checksTable(checks: readonly CheckCount[], style: Style): string {
  return table(
    ['CHECK', 'GUARANTEE', 'LOOKED AT', 'FOUND', 'VERDICT'],
    checks.map((result) => [
      result.check,
      result.guarantee,
      result.checked === 0 ? '-' : `${number(result.seen)} ${result.of}`,
      result.checked === 0 ? '-' : number(result.breaches),
      verdict(result),
    ]),
    style,
  );
}

/** A breach as text: where it is, which guarantee it breaks, and why. */
export function breachText(breach: Breach | ScheduleBreach): string {
  const { check, guarantee, severity, what } = breach;
  const against = severity === 'warning' ? 'warning' : `guarantee ${guarantee}`;
  return clean(`${placeText(breach)}: ${check} (${against}): ${what}`);
}

function placeText(breach: Breach | ScheduleBreach): string {
  if ('scheduleId' in breach) {
    const ticks = breach.ticks.length === 0 ? '' : ` tick ${breach.ticks.join(', ')}`;
    return `schedule ${breach.scheduleId}${ticks}`;
  }
  const { instanceId, seqs } = breach;
  return seqs.length === 0 ? instanceId : `${instanceId} seq ${seqs.join(', ')}`;
}

/** The result in one line. */
export function summaryText(summary: AuditSummary, tookMs: number): string {
  const { instances, rows, breaches, breached, warnings } = summary;
  const looked = `${count(instances, 'instance')}, ${count(rows, 'row')} in ${span(tookMs)}`;
  const warned = warnings === 0 ? '' : `; ${count(warnings, 'warning')}`;
  return breaches === 0
    ? `clean: no breach in ${looked}${warned}`
    : `${count(breaches, 'breach', 'breaches')} in ${number(breached)} of ${looked}${warned}`;
}

function verdict({ checked, notChecked, breaches, severity, seen }: CheckCount): string {
  if (checked === 0) return 'not checked';
  const partly = notChecked === 0 ? '' : ` (${number(notChecked)} instances not checked)`;
  if (breaches > 0) return (severity === 'warning' ? 'warning' : 'BREACH') + partly;
  return (seen === 0 ? 'nothing to look at' : 'ok') + partly;
}

function count(value: number, one: string, several = `${one}s`): string {
  return `${number(value)} ${value === 1 ? one : several}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}

/** The progress of an audit. */
export class AuditProgress {
  readonly #progress: Progress;
  /** Number of instances, where it is known. */
  readonly #total: number | undefined;
  readonly #startMs = performance.now();

  /** @param total number of instances; undefined where it is not known in advance */
  constructor(terminal: Terminal, total: number | undefined) {
    this.#total = total;
    this.#progress = new Progress(terminal, 'reading the log');
  }

  /** Reports progress. */
  at(instances: number, rows: number, breaches: number): void {
    const tookMs = Math.max(1, performance.now() - this.#startMs);
    const perSecond = Math.round((instances / tookMs) * 1_000);
    const share =
      this.#total === undefined || this.#total === 0
        ? ''
        : ` of ${number(this.#total)} (${Math.min(100, Math.floor((instances / this.#total) * 100))}%)`;
    const found = breaches === 0 ? 'no breach' : `${number(breaches)} breaches`;
    this.#progress.tick(
      `${number(instances)}${share} instances, ${number(rows)} rows, ${found}, ${number(perSecond)}/s`,
    );
  }

  stop(): void {
    this.#progress.stop();
  }
}
