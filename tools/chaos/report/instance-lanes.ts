import { count, span } from '../../page/figures.ts';
import type { Markup } from '../../page/markup.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { ChaosRecord, InstanceTimeline } from '../record.ts';
import type { Lane } from './lane.ts';
import { bar, barText, mark } from './lane.ts';
import type { ReplicaPalette } from './replica-palette.ts';
import type { Scale } from './scale.ts';
import { thinned } from './thinned.ts';
import { counted, moment, words } from './wording.ts';

type Mark = InstanceTimeline['marks'][number];
type Attempt = InstanceTimeline['attempts'][number];
type Term = InstanceTimeline['terms'][number];

/** How many instances get a lane; the record has the rest. */
const INSTANCES_SHOWN = 120;
/** How many bars and marks all lanes have together, at about 150 bytes each. */
const DRAWN_IN_ALL = 4800;
const DRAWN_AT_LEAST = 30;
const LANE_PX = 40;

/**
 * A lane for every instance: its terms, below them the attempts, and below those the marks. A
 * lane's id is `i` and the instance's index in the record. Instances with a breach are never left
 * out. Lanes are in order of time.
 */
export function instanceLanes(record: ChaosRecord, scale: Scale, palette: ReplicaPalette): Lane[] {
  const breached = new Set(record.breaches.map(({ instanceId }) => instanceId));
  const indexed = record.instances.map((instance, index) => ({ instance, index }));
  const shown = [
    ...indexed.filter(({ instance }) => breached.has(instance.instanceId)),
    ...indexed.filter(({ instance }) => !breached.has(instance.instanceId)),
  ].slice(0, INSTANCES_SHOWN);
  const budget = Math.max(DRAWN_AT_LEAST, Math.floor(DRAWN_IN_ALL / Math.max(1, shown.length)));
  return shown
    .map(({ instance, index }) => ({
      ...instanceLane(
        instance,
        breached.has(instance.instanceId),
        budget,
        record.durationMs,
        scale,
        palette,
      ),
      id: `i${index}`,
    }))
    .sort((a, b) => a.fromMs - b.fromMs);
}

function instanceLane(
  instance: InstanceTimeline,
  breached: boolean,
  budget: number,
  durationMs: number,
  scale: Scale,
  palette: ReplicaPalette,
): Omit<Lane, 'id'> {
  const { terms, attempts, marks, left } = within(instance, budget);
  return {
    name: instance.instanceId,
    note: (breached ? '✕ breach · ' : '') + note(instance, left),
    alarming: breached,
    summary: (breached ? 'breached a guarantee; ' : '') + summary(instance, palette),
    searchText: `${breached ? 'breach ' : ''}${searchText(instance, palette)}`,
    ...extent(instance, durationMs),
    heightPx: LANE_PX,
    body: markup`${terms.map((term) => termBar(term, scale, palette))}${attempts.map((attempt) =>
      attemptBar(attempt, durationMs, scale, palette),
    )}${marks.map((drawn) => instanceMark(drawn, scale))}`,
  };
}

interface Drawn {
  terms: readonly Term[];
  attempts: readonly Attempt[];
  marks: readonly Mark[];
  /** How many were left out. */
  left: number;
}

/**
 * What fits the budget: rare marks first, then terms, attempts and receipts, each thinned evenly
 * over time.
 */
function within(instance: InstanceTimeline, budget: number): Drawn {
  const rare = thinned(instance.marks.filter(isRare), budget);
  const terms = thinned(instance.terms, budget - rare.length);
  const attempts = thinned(instance.attempts, budget - rare.length - terms.length);
  const common = instance.marks.filter((drawn) => !isRare(drawn));
  const receipts = thinned(common, budget - rare.length - terms.length - attempts.length);
  const all = instance.terms.length + instance.attempts.length + instance.marks.length;
  const left = all - terms.length - attempts.length - rare.length - receipts.length;
  return { terms, attempts, marks: [...receipts, ...rare], left };
}

function isRare({ what }: Mark): boolean {
  return what !== 'receipt' && what !== 'parked';
}

function termBar(term: Term, scale: Scale, palette: ReplicaPalette): Markup {
  const { fromMs, toMs, fencingToken } = term;
  const title = `${moment(fromMs)} to ${moment(toMs)} · term of ${clipped(term.replicaId, 60)} · token ${fencingToken}`;
  return markup`${bar(scale, { fromMs, toMs, y: 3, height: 14, className: `term ${palette.classOf(term.replicaId)}`, title })}${barText(
    scale,
    { fromMs, toMs, y: 14, text: `${clipped(palette.nameOf(term.replicaId), 24)} ${fencingToken}` },
  )}`;
}

/** The four ways in which an attempt is drawn. */
export function attemptLook(
  attempt: Pick<Attempt, 'toMs' | 'end'>,
): 'completed' | 'failed' | 'interrupted' | 'open' {
  if (attempt.toMs === null) return 'open';
  if (/fail/.test(attempt.end)) return 'failed';
  return /complet|succe|satisf/.test(attempt.end) ? 'completed' : 'interrupted';
}

function attemptBar(
  attempt: Attempt,
  durationMs: number,
  scale: Scale,
  palette: ReplicaPalette,
): Markup {
  const toMs = attempt.toMs ?? Math.max(durationMs, attempt.fromMs);
  const lasted = attempt.toMs === null ? 'still open' : span(toMs - attempt.fromMs);
  const title = `${moment(attempt.fromMs)} · ${clipped(attempt.cellId, 60)} attempt ${attempt.attempt} · ${words(attempt.end)}, ${lasted} · ${clipped(attempt.replicaId, 60)}, token ${attempt.fencingToken}`;
  const className = `attempt ${attemptLook(attempt)} ${palette.classOf(attempt.replicaId)}`;
  return bar(scale, { fromMs: attempt.fromMs, toMs, y: 20, height: 6, className, title });
}

const GLYPHS: Readonly<Record<Mark['what'], string>> = {
  receipt: 'g-receipt',
  refused_write: 'g-cross',
  doubt: 'g-doubt',
  decision: 'g-decision',
  late_outcome: 'g-late',
  parked: 'g-parked',
  cancel: 'g-cancel',
};

function instanceMark({ atMs, what, text }: Mark, scale: Scale): Markup {
  const title = `${moment(atMs)} · ${words(what)} · ${clipped(text, 160)}`;
  const glyph = GLYPHS[what] ?? 'g-receipt';
  return mark(scale, {
    atMs,
    y: 33,
    glyph,
    className: GLYPHS[what] === undefined ? 'receipt' : what,
    title,
  });
}

const NOTED = [
  ['refused_write', 'refused write', 'refused writes'],
  ['doubt', 'doubt', 'doubts'],
  ['decision', 'decision', 'decisions'],
  ['late_outcome', 'late outcome', 'late outcomes'],
  ['cancel', 'cancel', 'cancels'],
] as const;

/** What stands out about the instance, in a few words, as the name column is narrow. */
function note(instance: InstanceTimeline, left: number): string {
  const parts = [counted(instance.terms.length, 'term')];
  const [what, one, many] = NOTED.find(([kind]) => howMany(instance, kind) > 0) ?? [];
  if (what !== undefined) parts.push(counted(howMany(instance, what), one, many));
  else if (left === 0) parts.push(counted(howMany(instance, 'receipt'), 'receipt'));
  if (left > 0) parts.push(`${count(left)} not drawn`);
  return parts.join(' · ');
}

function summary(instance: InstanceTimeline, palette: ReplicaPalette): string {
  const interrupted = instance.attempts.filter(
    (attempt) => attemptLook(attempt) === 'interrupted',
  ).length;
  const holders = [...new Set(instance.terms.map(({ replicaId }) => palette.nameOf(replicaId)))];
  const parts = [
    `${counted(instance.terms.length, 'term')}${holders.length > 0 ? ` on ${holders.join(', ')}` : ''}`,
    `${counted(instance.attempts.length, 'attempt')}${interrupted > 0 ? `, ${interrupted} interrupted` : ''}`,
    ...NOTED.filter(([what]) => howMany(instance, what) > 0).map(([what, one, many]) =>
      counted(howMany(instance, what), one, many),
    ),
    counted(howMany(instance, 'receipt'), 'receipt'),
  ];
  return parts.join('; ');
}

function howMany(instance: InstanceTimeline, what: Mark['what']): number {
  return instance.marks.filter((drawn) => drawn.what === what).length;
}

function searchText(instance: InstanceTimeline, palette: ReplicaPalette): string {
  return [
    ...new Set([
      ...instance.marks.filter(isRare).map(({ what }) => words(what)),
      ...instance.terms.map(({ replicaId }) => palette.nameOf(replicaId)),
      ...instance.attempts.map((attempt) => attemptLook(attempt)),
      ...instance.attempts.map(({ cellId }) => cellId),
      ...instance.terms.map(({ fencingToken }) => String(fencingToken)),
    ]),
  ].join(' ');
}

function extent(instance: InstanceTimeline, durationMs: number): { fromMs: number; toMs: number } {
  const times = [
    ...instance.terms.flatMap(({ fromMs, toMs }) => [fromMs, toMs]),
    ...instance.attempts.flatMap(({ fromMs, toMs }) => [fromMs, toMs ?? durationMs]),
    ...instance.marks.map(({ atMs }) => atMs),
  ];
  return {
    fromMs: times.reduce((a, b) => Math.min(a, b), times[0] ?? 0),
    toMs: times.reduce((a, b) => Math.max(a, b), times[0] ?? 0),
  };
}
