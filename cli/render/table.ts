import { styleText } from 'node:util';

import Table from 'cli-table3';

/** How a person's screen takes it. */
export interface Style {
  color: boolean;
}

/** A table without frames: columns two spaces apart, as `ps` and `kubectl` have it. */
export function table(
  head: string[],
  rows: (string | number | null | undefined)[][],
  style: Style,
): string {
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
  };
  const drawn = new Table({
    // Not by the table's own `style.head`: that one decides by the process's terminal, not by the
    // style asked for.
    head: style.color
      ? head.map((name) => styleText('bold', name, { validateStream: false }))
      : head,
    chars: {
      ...none,
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  });
  drawn.push(
    ...rows.map((row) =>
      row.map((cell) => (cell === null || cell === undefined ? '-' : clean(String(cell)))),
    ),
  );
  return drawn
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Text that others wrote, without what would steer the terminal. */
export function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** JSON for a table's cell, cut to a width. */
export function brief(value: unknown, width = 60): string {
  return cut(JSON.stringify(value) ?? '', width);
}

/** Text for a table's cell, cut to a width. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
