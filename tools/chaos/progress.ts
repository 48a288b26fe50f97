import type { ChaosEvent, RunningCounts } from './events.ts';
import type { FaultRecord } from './record.ts';

const PHASE_NAMES = {
  warm_up: 'warming up',
  isolated: 'isolated faults',
  overlapping: 'overlapping faults',
  settling: 'settling',
} as const;
const ACTIVE_SHOWN = 3;

/** The live line, which shows what is happening now; undefined if the event does not change it. */
export function liveText(event: ChaosEvent): string | undefined {
  switch (event.kind) {
    case 'note':
      return event.text;
    case 'tick':
      if (event.phase === 'settling') return undefined;
      return [
        PHASE_NAMES[event.phase],
        `${clock(event.atMs)} of ${clock(event.totalMs)}`,
        countsText(event.counts),
        ...activeTexts(event.counts),
      ].join(' · ');
    case 'settling':
      return `settling · ${plural(event.left, 'instance')} to go`;
    case 'checking':
      return `checking log, witness and agents · ${event.instances} of ${event.of} instances`;
    case 'phase':
    case 'fault':
    case 'failover':
    case 'check':
      return undefined;
  }
}

/** A line that stays on the screen; undefined if the event needs none. */
export function lastingText(event: ChaosEvent): string | undefined {
  switch (event.kind) {
    case 'phase':
      return `${clock(event.atMs)}  ${PHASE_NAMES[event.phase]}${plannedText(event.faults)}`;
    case 'fault':
      return faultText(event.state, event.fault);
    case 'check':
      if (event.check.breaches === 0) return undefined;
      return `BREACH  ${event.check.name}: ${event.check.breaches}`;
    case 'note':
    case 'tick':
    case 'settling':
    case 'checking':
    case 'failover':
      return undefined;
  }
}

function faultText(state: 'struck' | 'over' | 'skipped', fault: FaultRecord): string | undefined {
  const { kind, target, fromMs, toMs, skipped } = fault;
  switch (state) {
    case 'struck':
      return undefined;
    case 'skipped':
      return `${clock(fromMs)}  ${kind}  skipped: ${skipped ?? ''}`;
    case 'over':
      return `${clock(fromMs)}  ${kind}  ${target}  for ${seconds(toMs - fromMs)}`;
  }
}

function plannedText(faults: number): string {
  return faults > 0 ? ` (${plural(faults, 'fault')} planned)` : '';
}

function countsText(counts: RunningCounts): string {
  const { faults, acknowledged, unanswered, instances, underWay } = counts;
  return [
    plural(faults, 'fault'),
    `${acknowledged} acknowledged`,
    `${unanswered} unanswered`,
    `${plural(instances, 'instance')} (${underWay} under way)`,
  ].join(', ');
}

/** The first active faults; empty if there are none. */
function activeTexts({ active }: RunningCounts): string[] {
  if (active.length === 0) return [];
  const left = active.length - ACTIVE_SHOWN;
  return [`${active.slice(0, ACTIVE_SHOWN).join(', ')}${left > 0 ? ` and ${left} more` : ''}`];
}

function plural(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? '' : 's'}`;
}

/** `1:05` */
function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1_000));
  return `${Math.floor(total / 60)}:${String(total % 60).padStart(2, '0')}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
