import type { Markup } from '../../page/markup.ts';
import { markup } from '../../page/markup.ts';

/**
 * The timeline's marks, each with a distinct shape so that none relies on colour, and hatchings.
 */
export function glyphDefinitions(): Markup {
  return markup`<svg class="defs" width="0" height="0" aria-hidden="true"><defs>
<g id="g-cross"><path d="M-3.5-3.5L3.5 3.5M3.5-3.5L-3.5 3.5" fill="none" stroke-width="2"/></g>
<g id="g-crash"><circle r="5.5"/><path class="on-glyph" d="M0-3V.8M0 2.4V3.2" stroke-width="1.6"/></g>
<g id="g-doubt"><path d="M0-6.5L6.5 0L0 6.5L-6.5 0Z"/><path class="on-glyph" d="M-1.7-1.3C-1.7-3.4 1.7-3.4 1.7-1.3C1.7 0 0 .1 0 1.3M0 2.7V3.5" fill="none" stroke-width="1.3"/></g>
<g id="g-decision"><circle r="5.5"/><path class="on-glyph" d="M-2.6.2L-.7 2.2L2.7-2" fill="none" stroke-width="1.6"/></g>
<g id="g-cancel"><path d="M-5-5H5V5H-5Z"/><path class="on-glyph" d="M-2.2-2.2L2.2 2.2M2.2-2.2L-2.2 2.2" fill="none" stroke-width="1.5"/></g>
<g id="g-late"><path d="M5 0L-4-4.8V4.8Z"/></g>
<g id="g-parked"><path d="M-2-4V4M2-4V4" fill="none" stroke-width="2"/></g>
<g id="g-receipt"><path d="M0-4V4" fill="none" stroke-width="1.5"/></g>
<g id="g-drain"><path d="M-4.5-3H4.5L0 4Z"/></g>
<g id="g-clock"><circle r="4.5" fill="none" stroke-width="1.4"/><path d="M0-2.6V0L2 1.2" fill="none" stroke-width="1.4"/></g>
<pattern id="p-freeze" width="5" height="5" patternUnits="userSpaceOnUse"><path class="hatch" d="M-1 6L6-1M-1 1L1-1M4 6L6 4" fill="none" stroke-width="1.3"/></pattern>
<pattern id="p-cut" width="4" height="4" patternUnits="userSpaceOnUse"><path class="hatch" d="M1 0V4" fill="none" stroke-width="1.6"/></pattern>
<pattern id="p-delay" width="4" height="4" patternUnits="userSpaceOnUse"><circle class="hatch-dot" cx="2" cy="2" r="1"/></pattern>
</defs></svg>
`;
}

/** What the shapes mean, and each replica's colour. */
export function legend(swatches: readonly { name: string; swatch: Markup }[]): Markup {
  const groups: [title: string, entries: (readonly [sample: Markup, words: string])[]][] = [
    ['Replica', swatches.map(({ name, swatch }) => [swatch, name] as const)],
    [
      'Instance',
      [
        [
          sample(markup`<rect class="term r-any" x="1" y="2" width="20" height="9"/>`),
          'term, with its token',
        ],
        [
          sample(markup`<rect class="attempt r-any" x="1" y="4" width="20" height="6"/>`),
          'attempt, completed',
        ],
        [
          sample(markup`<rect class="attempt failed r-any" x="1" y="4" width="20" height="6"/>`),
          'failed',
        ],
        [
          sample(
            markup`<rect class="attempt interrupted r-any" x="1" y="4" width="20" height="6"/>`,
          ),
          'interrupted',
        ],
        [glyph('refused_write', 'g-cross'), 'refused write'],
        [glyph('doubt', 'g-doubt'), 'doubt'],
        [glyph('decision', 'g-decision'), 'decision'],
        [glyph('late_outcome', 'g-late'), 'late outcome'],
        [glyph('cancel', 'g-cancel'), 'cancel, undo'],
        [glyph('parked', 'g-parked'), 'parked'],
        [glyph('receipt', 'g-receipt'), 'receipt'],
      ],
    ],
    [
      'Fault',
      [
        [glyph('fault-mark', 'g-cross'), 'kill'],
        [glyph('fault-mark solid', 'g-drain'), 'drain'],
        [sample(markup`<rect class="fault freeze" x="1" y="3" width="20" height="8"/>`), 'freeze'],
        [sample(markup`<rect class="fault cut" x="1" y="3" width="20" height="8"/>`), 'cut'],
        [sample(markup`<rect class="fault delay" x="1" y="3" width="20" height="8"/>`), 'delay'],
        [sample(markup`<rect class="fault outage" x="1" y="3" width="20" height="8"/>`), 'outage'],
        [glyph('fault-mark', 'g-clock'), 'clock jump'],
        [glyph('crash', 'g-crash'), 'crash'],
      ],
    ],
    [
      'Phase',
      [
        [
          sample(markup`<rect class="phase isolated" x="1" y="1" width="20" height="12"/>`),
          'isolated faults',
        ],
        [
          sample(markup`<rect class="phase overlapping" x="1" y="1" width="20" height="12"/>`),
          'overlapping',
        ],
        [
          sample(markup`<rect class="phase settling" x="1" y="1" width="20" height="12"/>`),
          'no faults',
        ],
      ],
    ],
  ];
  return markup`<dl class="legend">${groups
    .filter(([, entries]) => entries.length > 0)
    .map(
      ([title, entries]) =>
        markup`<div><dt>${title}</dt>${entries.map(([drawing, words]) => markup`<dd>${drawing} ${words}</dd>`)}</div>`,
    )}</dl>
`;
}

function sample(drawing: Markup): Markup {
  return markup`<svg width="22" height="14" aria-hidden="true">${drawing}</svg>`;
}

function glyph(className: string, id: string): Markup {
  return markup`<svg width="14" height="14" aria-hidden="true"><use class="${className}" href="#${id}" x="7" y="7"/></svg>`;
}
