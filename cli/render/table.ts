import { styleText } from 'node:util';

import Table from 'cli-table3';

/** How to print for people. */
export interface Style {
  color: boolean;
}

/** A table without borders, its columns two spaces apart, as in `ps` and `kubectl`. */
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
    // Not with the table's own `style.head`, which looks at the process's terminal instead of the
    // style passed in.
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

/** Replaces control characters, so that text from elsewhere cannot control the terminal. */
export function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}

/** A value as JSON, cut to a width. */
export function brief(value: unknown, width = 60): string {
  return cut(JSON.stringify(value) ?? '', width);
}

/** Text, cut to a width. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
