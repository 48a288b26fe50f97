import type { ChaosEvent, Tally } from './events.ts';
import type { FaultRecord } from './record.ts';

const NAMES = {
  warm_up: 'warming up',
  isolated: 'faults one by one',
  overlapping: 'faults on top of each other',
  settling: 'settling',
} as const;
const ACTIVE_SHOWN = 3;

/**
 * What is going on just now, in one line that is shown anew all the time; undefined: nothing
 * changes.
 */
export function liveText(event: ChaosEvent): string | undefined {
  switch (event.kind) {
    case 'note':
      return event.text;
    case 'tick':
      if (event.phase === 'settling') return undefined;
      return `${NAMES[event.phase]} · ${clock(event.atMs)} of ${clock(event.totalMs)} · ${counts(event.counts)}${active(event.counts)}`;
    case 'settling':
      return `settling · ${event.left} ${event.left === 1 ? 'instance' : 'instances'} to go`;
    case 'checking':
      return `comparing log, witness and agents · ${event.instances} of ${event.of} instances`;
    case 'phase':
    case 'fault':
    case 'failover':
    case 'check':
      return undefined;
  }
}

/** What is worth a line that stays; undefined: nothing. */
export function lastingText(event: ChaosEvent): string | undefined {
  switch (event.kind) {
    case 'phase':
      return `${clock(event.atMs)}  ${NAMES[event.phase]}${event.faults > 0 ? ` (${event.faults} planned)` : ''}`;
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
      return `${clock(fromMs)}  ${kind}: skipped, ${skipped ?? ''}`;
    case 'over':
      return `${clock(fromMs)}  ${kind}  ${target}  for ${seconds(toMs - fromMs)}`;
  }
}

function counts(tally: Tally): string {
  const { faults, acknowledged, unanswered, instances, underWay } = tally;
  return `${faults} faults, ${acknowledged} acknowledged, ${unanswered} unanswered, ${instances} instances (${underWay} under way)`;
}

function active({ active: on }: Tally): string {
  if (on.length === 0) return '';
  const left = on.length - ACTIVE_SHOWN;
  return ` · ${on.slice(0, ACTIVE_SHOWN).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
}

/** `1:05` */
function clock(ms: number): string {
  const total = Math.max(0, Math.floor(ms / 1_000));
  return `${Math.floor(total / 60)}:${String(total % 60).padStart(2, '0')}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
