import { short } from '../../page/figures.ts';
import { clipped, markup } from '../../page/markup.ts';
import type { Markup } from '../../page/markup.ts';
import type { Scale } from './scale.ts';

/** One row of the timeline: a replica, a link, a server or an instance. */
export interface Lane {
  /** The element's id, which links point to; made by the report, never taken from the record. */
  id: string;
  name: string;
  /** A few words under the name. */
  note: string;
  /** What the drawing shows, in words, for screen readers. */
  summary: string;
  /** What the filter box searches, in addition to the name. */
  searchText: string;
  /** From the first to the last thing drawn. */
  fromMs: number;
  toMs: number;
  heightPx: number;
  swatch?: Markup;
  /** Whether its note is shown as an alarm. */
  alarming?: boolean;
  body: Markup;
}

const SEARCH_TEXT_MAX = 600;
const NAME_MAX = 140;

/** A lane that is always shown (`fixed`), or one that the filter box and the view may hide. */
export function laneRow(lane: Lane, kind: 'fixed' | 'instance'): Markup {
  const name = clipped(lane.name, NAME_MAX);
  const search = clipped(`${lane.name} ${lane.searchText}`.toLowerCase(), SEARCH_TEXT_MAX);
  const label = markup`${lane.swatch}<bdi>${name}</bdi>`;
  return markup`<div class="lane ${kind}" id="${lane.id}" data-a="${Math.floor(lane.fromMs)}" data-b="${Math.ceil(lane.toMs)}"${
    kind === 'instance' && markup` data-f="${search}"`
  }><div class="name">${
    kind === 'instance'
      ? markup`<button type="button" class="zoom" title="Zoom to ${name}">${label}</button><button type="button" class="list" aria-expanded="false" aria-label="Events of ${name}" title="List its events">☰</button>`
      : markup`<b>${label}</b>`
  }<small${lane.alarming === true && markup` class="bad"`} title="${lane.note}">${lane.note}</small></div><svg class="lane-plot" width="100%" height="${lane.heightPx}" role="img" aria-label="${clipped(
    `${lane.name}: ${lane.summary}`,
    500,
  )}"><svg class="w" width="100%" height="100%">${lane.body}</svg></svg></div>
`;
}

/** A bar from one moment to another. Its outline keeps a bar of zero length visible. */
export function bar(
  scale: Scale,
  at: { fromMs: number; toMs: number; y: number; height: number; className: string; title: string },
): Markup {
  const width = `${short(Math.max(0, scale.percent(at.toMs) - scale.percent(at.fromMs)))}%`;
  return markup`<rect class="${at.className}" x="${scale.at(at.fromMs)}" y="${at.y}" width="${width}" height="${at.height}"><title>${at.title}</title></rect>`;
}

/** A mark of fixed size at one moment. */
export function mark(
  scale: Scale,
  at: { atMs: number; y: number; glyph: string; className: string; title: string },
): Markup {
  return markup`<use class="${at.className}" href="#${at.glyph}" x="${scale.at(at.atMs)}" y="${at.y}"><title>${at.title}</title></use>`;
}

const LETTER_PX = 6.2;
const TYPICAL_PLOT_PX = 1100;

/**
 * Text inside a bar, hidden where it does not fit: at first by a typical width, then by the page's
 * script whenever the view changes. The script also keeps it visible while its bar begins left of
 * the view.
 */
export function barText(
  scale: Scale,
  at: { fromMs: number; toMs: number; y: number; text: string },
): Markup {
  const x = scale.percent(at.fromMs);
  const width = Math.max(0, scale.percent(at.toMs) - x);
  const fits = (width / 100) * TYPICAL_PLOT_PX >= at.text.length * LETTER_PX + 8;
  return markup`<text class="fit${fits ? '' : ' off'}" x="${short(x)}%" dx="5" y="${at.y}" data-x="${short(x)}" data-w="${short(width)}">${at.text}</text>`;
}
