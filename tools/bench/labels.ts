import type { Figure, Part } from './figure.ts';

/* The labels and number formats of figures, in tables and in the HTML report. */

const PARTS: Readonly<Record<Part, string>> = {
  load: 'Throughput and latency',
  acquisition: 'Acquiring leases',
  memory: 'Holding many instances',
  failover: 'Failover times, from the fault to the first receipt from another replica',
  rows: 'A log with many rows',
  replicas: 'One replica and eight',
};

/** The heading of a part. */
export function partTitle(part: Part): string {
  return PARTS[part];
}

const SUBJECTS: Readonly<Record<string, string>> = {
  floor: 'floor: two commits',
  held: 'held instances',
  fresh: 'fresh instance each',
  advisory_lock: 'advisory lock',
  reservation: 'reservation row',
  routed_floor: 'floor over NATS',
};

/** The subjects of the load, in the order in which they are shown. */
export const LOAD_SUBJECTS = Object.keys(SUBJECTS);

/** The label of a figure's subject. */
export function subjectLabel({ part, subject }: Pick<Figure, 'part' | 'subject'>): string {
  const label = part === 'load' ? SUBJECTS[subject] : undefined;
  return label ?? subject.replaceAll('_', ' ');
}

const RATIOS: Readonly<Record<string, string>> = {
  floor: '× floor',
  bestFloor: '× best floor',
  advisoryLock: '× lock',
  reservation: '× reserv.',
  routedFloor: '× over NATS',
  floorMedian: '× floor p50',
  emptyLog: '× empty log',
  firstRows: '× first rows',
  oneReplica: '× one replica',
};

/** The label of a ratio, by what it is to. */
export function ratioLabel(to: string): string {
  return RATIOS[to] ?? `× ${to}`;
}

/** The label of a value, with its unit: `p50Ms` becomes `p50 ms`. */
export function valueLabel(name: string): string {
  const unit = /(PerS|^perS|Us|Ms|S|Bytes)$/.exec(name)?.[1];
  if (unit === undefined) return spaced(name);
  const stem = spaced(name.slice(0, name.length - unit.length));
  return `${stem}${UNITS[unit] ?? ''}`.trim();
}

const UNITS: Readonly<Record<string, string>> = {
  perS: 'per s',
  PerS: ' per s',
  Us: ' µs',
  Ms: ' ms',
  S: ' s',
  Bytes: ' bytes',
};

function spaced(name: string): string {
  return name.replaceAll(/(?<=[a-z0-9])([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** A number with about three significant digits and thousands separators. */
export function formatNumber(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  const decimals = Number.isInteger(value) || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toLocaleString('en-US', {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}

/** A ratio: `1.42`. */
export function formatRatio(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return '-';
  return value >= 100 ? formatNumber(Math.round(value)) : value.toFixed(2);
}

/** The label of a figure's parameters: `128 agents`, `from row 9,000, to row 10,000`. */
export function parametersLabel(at: Figure['at']): string {
  return Object.entries(at)
    .map(([name, value]) => {
      if (/^(from|to)[A-Z]/.test(name)) return `${spaced(name)} ${formatNumber(value)}`;
      if (name === 'ttlS') return `TTL ${value} s`;
      return `${formatNumber(value)} ${value === 1 ? singular(name) : valueLabel(name)}`;
    })
    .join(', ');
}

/** A figure in one line, for progress. */
export function figureLine(figure: Figure): string {
  const values = Object.entries(figure.values)
    .filter(([name]) => name !== 'operations' && name !== 'measuredS')
    .map(([name, value]) => `${valueLabel(name)} ${formatNumber(value)}`);
  return `${[subjectLabel(figure), parametersLabel(figure.at)].join(', ')}: ${values.join(' · ')}`;
}

function singular(name: string): string {
  return spaced(name).replace(/s$/, '');
}
