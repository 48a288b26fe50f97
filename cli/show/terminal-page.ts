import type { WireRow } from '../../src/execution/row.ts';
import type { Runbook } from '../../src/runbook/runbook.ts';
import type { StatusReply } from '../../src/request/status-reply.ts';
import { definitionOf } from './definition.ts';
import { declaredInputs } from './inputs.ts';
import { codeLines, markdownLines } from './markdown-terminal.ts';
import { momentOf } from './moment.ts';
import { noticesOf, type Notice } from './notice.ts';
import { outputOf } from './output.ts';
import { statusBadge, storyOf, type CellStory, type Part, type Story, type Tone } from './story.ts';
import { timesOf } from './times.ts';
import { painted, wrapped, type Format, type Span } from './wrap.ts';

/** The terminal that a page is for. */
export interface PageStyle {
  color: boolean;
  columns: number;
}

/** Longer lines are hard to read. */
const MOST_COLUMNS = 100;
const INDENT = '    ';
/** An output has at most this many lines. */
const OUTPUT_LINES = 12;

/** A runbook as a page to read. */
export function runbookPage(runbook: Runbook, style: PageStyle): string {
  return pageText(storyOf(runbook), style, Date.now());
}

/** An instance as a page: its runbook, and what became of each cell. */
export function instancePage(
  runbook: Runbook,
  status: StatusReply,
  style: PageStyle,
  nowMs: number,
): string {
  return pageText(storyOf(runbook, status), style, nowMs);
}

function pageText(story: Story, style: PageStyle, nowMs: number): string {
  const { runbook, status, parts, ending } = story;
  const log = status?.log ?? [];
  const page: Page = {
    style,
    width: Math.max(40, Math.min(style.columns, MOST_COLUMNS)),
    time: timesOf(
      log.map((row) => row.recorded_at),
      nowMs,
    ),
    before: (row) => log[log.indexOf(row) - 1],
  };
  const sections = [
    headLines(story, page),
    runbook.description === undefined ? [] : markdownLines(runbook.description, page.width, style),
    status === undefined ? inputLines(runbook, page) : [],
    ...(status === undefined ? [] : noticesOf(status, nowMs)).map((one) => noticeLines(one, page)),
    ...parts.map((part) => partLines(part, page)),
    ending.flatMap((row) => momentLines(row, page, '')),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

interface Page {
  readonly style: PageStyle;
  readonly width: number;
  readonly time: (iso: string) => string;
  /** The row before a row. */
  readonly before: (row: WireRow) => WireRow | undefined;
}

const FORMATS: Readonly<Record<Tone, Format>> = {
  good: 'green',
  bad: 'red',
  doubt: 'yellow',
  busy: 'cyan',
  quiet: 'dim',
};

function headLines({ runbook, title, status }: Story, { style, width }: Page): string[] {
  const name = `${runbook.runbook} v${runbook.version}`;
  const heading = wrapped([{ text: title, format: 'bold' }], width, style);
  if (status === undefined)
    return [...heading, ...wrapped([{ text: name, format: 'dim' }], width, style)];
  const { text, tone, mark } = statusBadge(status);
  const { holder, lastSeq, parent } = status;
  const facts = [
    status.instanceId,
    name,
    `${lastSeq} ${lastSeq === 1 ? 'row' : 'rows'}`,
    holder === null ? 'not held' : `held by ${holder.replicaId} with token ${holder.fencingToken}`,
  ];
  const origin =
    parent === undefined
      ? ''
      : `started by cell ${parent.cellId} of ${parent.instanceId}${parent.n === undefined ? '' : `, for element ${parent.n}`}`;
  return [
    ...heading,
    ...wrapped(
      [{ text: `${mark} ${text}`, format: FORMATS[tone] }, { text: ` · ${facts.join(' · ')}` }],
      width,
      style,
    ),
    ...(origin === '' ? [] : wrapped([{ text: origin, format: 'dim' }], width, style)),
    ...(status.logTruncated === true
      ? wrapped(
          [{ text: 'only the newest rows fit in the answer', format: 'yellow' }],
          width,
          style,
        )
      : []),
  ];
}

function inputLines({ inputs }: Runbook, page: Page): string[] {
  const declared = declaredInputs(inputs);
  if (declared.length === 0) return [];
  return [
    painted({ text: 'Inputs', format: 'bold' }, page.style),
    ...declared.flatMap(({ name, what, description }) =>
      hanging(
        [
          { text: name, format: 'cyan' },
          { text: what === '' ? '' : ` (${what})`, format: 'dim' },
          { text: description === '' ? '' : `: ${description}` },
        ],
        page,
        INDENT,
      ),
    ),
  ];
}

function noticeLines({ tone, lines }: Notice, { style, width }: Page): string[] {
  const bar = painted({ text: '▌ ', format: FORMATS[tone] }, style);
  return lines
    .flatMap((line) =>
      typeof line === 'string'
        ? wrapped([{ text: line }], width - 2, style)
        : [`  ${painted({ text: line.command, format: 'bold' }, style)}`],
    )
    .map((line) => bar + line);
}

function partLines(part: Part, page: Page): string[] {
  return 'prose' in part
    ? markdownLines(part.prose, page.width, page.style)
    : cellLines(part, page, '');
}

function cellLines(story: CellStory, page: Page, indent: string): string[] {
  const { cell, type, badge, rows, undo } = story;
  const { style, width } = page;
  const inner = `${indent}${INDENT}`;
  const { code, notes } = definitionOf(cell);
  const details = wrapped(
    notes.flatMap((note, index): Span[] => [
      { text: index === 0 ? note : ` · ${note}`, format: 'dim' },
    ]),
    width - inner.length,
    style,
  );
  const about = [
    ...(cell.description === undefined
      ? []
      : markdownLines(cell.description, width - inner.length, style)),
    ...(code === undefined ? [] : [painted({ text: code, format: 'cyan' }, style)]),
    ...(notes.length === 0 ? [] : details),
  ];
  return [
    ...hanging(
      [
        { text: `${badge?.mark ?? '▪'} `, format: badge && FORMATS[badge.tone] },
        { text: cell.id, format: 'bold' },
        { text: cell.title === undefined ? '' : ` · ${cell.title}` },
        { text: ` · ${badge === undefined ? type : `${type}, ${badge.text}`}`, format: 'dim' },
      ],
      page,
      indent,
    ),
    ...about.map((line) => inner + line),
    ...rows.flatMap((row) => momentLines(row, page, inner)),
    ...outputLines(story, page).map((line) => inner + line),
    ...(undo === undefined ? [] : cellLines(undo, page, inner)),
  ];
}

/** A row: when, what, and where, as far as it differs from the row before it. */
function momentLines(row: CellStory['rows'][number], page: Page, indent: string): string[] {
  const { text, tone } = momentOf(row);
  const before = page.before(row);
  const isElsewhere =
    before?.fencing_token !== row.fencing_token || before.replica_id !== row.replica_id;
  // A decision says itself who made it.
  const isAskedAgain =
    row.request_id !== null && row.agent_id !== null && before?.request_id !== row.request_id;
  const where = [
    `#${row.seq}`,
    ...(isElsewhere ? [`token ${row.fencing_token} on ${row.replica_id}`] : []),
    ...(isAskedAgain ? [`asked by ${row.agent_id}`] : []),
  ];
  return hanging(
    [
      { text: `${page.time(row.recorded_at)} `, format: 'dim' },
      { text, format: FORMATS[tone] },
      { text: ` (${where.join(', ')})`, format: 'dim' },
    ],
    page,
    indent,
  );
}

function outputLines(story: CellStory, { style }: Page): string[] {
  const output = outputOf(story, OUTPUT_LINES);
  if (output === undefined) return [];
  const { heading, lines, more } = output;
  return [
    painted({ text: heading, format: 'dim' }, style),
    ...codeLines(lines.join('\n'), style),
    ...(more === undefined ? [] : [painted({ text: more, format: 'dim' }, style)]),
  ];
}

/** Lines of which all but the first are indented a little further. */
function hanging(spans: readonly Span[], { style, width }: Page, indent: string): string[] {
  return wrapped(spans, width - indent.length - 2, style).map((line, index) =>
    index === 0 ? indent + line : `${indent}  ${line}`,
  );
}
