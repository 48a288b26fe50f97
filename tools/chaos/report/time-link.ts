import type { Markup } from '../../page/markup.ts';
import { markup } from '../../page/markup.ts';

/**
 * A link that zooms the timeline to a span of the run; without scripts, it leads to the timeline.
 */
export function timeLink(fromMs: number, toMs: number, text: string): Markup {
  return markup`<a href="#timeline" data-from="${Math.round(fromMs)}" data-to="${Math.round(toMs)}">${text}</a>`;
}
