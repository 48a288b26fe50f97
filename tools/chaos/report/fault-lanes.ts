import { count, span } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { ChaosRecord, FaultRecord, ReplicaProcess } from '../record.ts';
import type { Lane } from './lane.ts';
import { bar, barText, mark } from './lane.ts';
import type { ReplicaPalette } from './replica-palette.ts';
import { byNatural } from './replica-palette.ts';
import type { Scale } from './scale.ts';
import { thinned } from './thinned.ts';
import { counted, moment, words } from './wording.ts';

/** How a kind of fault is drawn. */
export type FaultShape = 'kill' | 'drain' | 'freeze' | 'cut' | 'delay' | 'clock' | 'outage';

const REPLICA_LANES_SHOWN = 40;
const SERVER_LANES_SHOWN = 20;
const PROCESSES_SHOWN = 250;
const FAULTS_SHOWN_PER_LANE = 250;
const FAULT_ROWS = 4;
const FAULT_ROW_PX = 13;

/** The shape for a kind of fault, by the words in its name, so that new kinds get one too. */
export function faultShape(kind: string): FaultShape {
  if (/clock/.test(kind)) return 'clock';
  if (/cut|partition|drop|reset/.test(kind)) return 'cut';
  if (/delay|slow|latency/.test(kind)) return 'delay';
  if (/stop(?!ped)|freeze|frozen|pause/.test(kind)) return 'freeze';
  if (/term|drain|rolling/.test(kind)) return 'drain';
  if (/down|restart|stopped/.test(kind)) return 'outage';
  return /kill|crash/.test(kind) ? 'kill' : 'outage';
}

/** A lane for every replica name, with its processes and the faults that affected them. */
export function replicaLanes(record: ChaosRecord, scale: Scale, palette: ReplicaPalette): Lane[] {
  const faults = madeFaults(record);
  return palette.names.slice(0, REPLICA_LANES_SHOWN).map((name, index) => {
    const processes = record.replicas.filter((process) => process.name === name);
    const own = faults.filter(
      ({ target }) => target === name || processes.some(({ replicaId }) => replicaId === target),
    );
    const drawn = faultRows(own, scale, 25);
    const colour = palette.classOf(name);
    return {
      id: `r${index}`,
      name,
      note: `${counted(processes.length, 'process', 'processes')} · ${counted(own.length, 'fault')}${notDrawn(
        Math.max(0, processes.length - PROCESSES_SHOWN) + drawn.left,
      )}`,
      summary: `${counted(processes.length, 'process', 'processes')}, ${counted(own.length, 'fault')}`,
      searchText: '',
      ...extent([
        ...processes.map(({ fromMs, toMs }) => ({ fromMs, toMs: toMs ?? fromMs })),
        ...own,
      ]),
      heightPx: 26 + drawn.rows * FAULT_ROW_PX,
      swatch: markup`<i class="swatch ${colour}"></i>`,
      body: markup`${thinned(processes, PROCESSES_SHOWN).map((process) => processBar(process, colour, record, scale))}${drawn.body}`,
    };
  });
}

/** A lane for every other target: links, servers, and everything at once. */
export function serverLanes(record: ChaosRecord, scale: Scale): Lane[] {
  const replicas = new Set(record.replicas.flatMap(({ name, replicaId }) => [name, replicaId]));
  const byTarget = new Map<string, FaultRecord[]>();
  for (const fault of madeFaults(record)) {
    if (replicas.has(fault.target)) continue;
    byTarget.set(fault.target, [...(byTarget.get(fault.target) ?? []), fault]);
  }
  return [...byTarget.keys()]
    .sort(byNatural)
    .slice(0, SERVER_LANES_SHOWN)
    .map((target, index) => {
      const own = byTarget.get(target) ?? [];
      const drawn = faultRows(own, scale, 5);
      return {
        id: `s${index}`,
        name: target === 'all' ? 'everything' : target,
        note: counted(own.length, 'fault') + notDrawn(drawn.left),
        summary: counted(own.length, 'fault'),
        searchText: '',
        ...extent(own),
        heightPx: Math.max(24, 6 + drawn.rows * FAULT_ROW_PX),
        body: drawn.body,
      };
    });
}

function madeFaults(record: ChaosRecord): FaultRecord[] {
  return record.faults.filter(({ skipped }) => skipped === undefined);
}

const ENDS: Readonly<Record<ReplicaProcess['end'], string>> = {
  killed: 'killed',
  drained: 'drained and exited',
  running: 'still running at the end',
  crashed: 'crashed: it exited without being stopped',
};

function processBar(
  process: ReplicaProcess,
  colour: string,
  record: ChaosRecord,
  scale: Scale,
): Markup {
  const toMs = process.toMs ?? record.durationMs;
  const id = clipped(process.replicaId, 60);
  const title = `${moment(process.fromMs)} to ${moment(toMs)} · ${id} · pid ${process.pid} · ${ENDS[process.end] ?? words(process.end)}`;
  return markup`${bar(scale, { fromMs: process.fromMs, toMs, y: 4, height: 15, className: `process ${colour}`, title })}${barText(
    scale,
    { fromMs: process.fromMs, toMs, y: 15.5, text: id },
  )}${
    process.end === 'crashed' &&
    mark(scale, { atMs: toMs, y: 11.5, glyph: 'g-crash', className: 'crash', title })
  }`;
}

function notDrawn(left: number): string {
  return left > 0 ? ` · ${count(left)} not drawn` : '';
}

interface FaultRows {
  body: Markup;
  rows: number;
  /** How many were left out. */
  left: number;
}

/** The faults of one lane in as few rows as keep them from overlapping, four at most. */
function faultRows(faults: readonly FaultRecord[], scale: Scale, topPx: number): FaultRows {
  const freeFrom: number[] = [];
  const inOrder = [...faults].sort((a, b) => a.fromMs - b.fromMs || a.id - b.id);
  const ordered = thinned(inOrder, FAULTS_SHOWN_PER_LANE);
  const drawn = ordered.map((fault) => {
    const from = scale.percent(fault.fromMs);
    const free = freeFrom.findIndex((end) => end <= from);
    const row = free !== -1 ? free : Math.min(freeFrom.length, FAULT_ROWS - 1);
    freeFrom[row] = Math.max(freeFrom[row] ?? 0, scale.percent(fault.toMs), from + 0.3);
    return faultMark(fault, topPx + row * FAULT_ROW_PX, scale);
  });
  return { body: markup`${drawn}`, rows: freeFrom.length, left: faults.length - ordered.length };
}

function faultMark(fault: FaultRecord, y: number, scale: Scale): Markup {
  const { fromMs, toMs } = fault;
  const shape = faultShape(fault.kind);
  const kind = words(fault.kind);
  const title = `${moment(fromMs)} · fault ${fault.id}: ${kind} on ${clipped(fault.target, 60)}, ${span(toMs - fromMs)} · ${words(fault.phase)}`;
  const middle = y + 4.5;
  switch (shape) {
    case 'kill':
    case 'drain':
    case 'clock': {
      const glyph = { kill: 'g-cross', drain: 'g-drain', clock: 'g-clock' }[shape];
      const className = shape === 'drain' ? 'fault-mark solid' : 'fault-mark';
      return markup`${bar(scale, { fromMs, toMs, y: middle - 0.5, height: 1, className: 'fault after', title })}${mark(
        scale,
        { atMs: fromMs, y: middle, glyph, className, title },
      )}`;
    }
    case 'freeze':
    case 'cut':
    case 'delay':
    case 'outage':
      return bar(scale, { fromMs, toMs, y, height: 9, className: `fault ${shape}`, title });
  }
}

function extent(spans: readonly { fromMs: number; toMs: number }[]): {
  fromMs: number;
  toMs: number;
} {
  return {
    fromMs: spans.reduce((least, { fromMs }) => Math.min(least, fromMs), spans[0]?.fromMs ?? 0),
    toMs: spans.reduce((most, { toMs }) => Math.max(most, toMs), 0),
  };
}
