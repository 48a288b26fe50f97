/** How YAML 1.2 reads plain scalars that many people expect to be read as something else. */
interface Reading {
  looks: RegExp;
  /** The type of what it is read as; a scalar with an explicit tag may have another. */
  as: 'number' | 'string';
  /** Continues a sentence after what it is read as. */
  but: string;
}

/** The first one that fits counts. YAML 1.1, which many programs read, did otherwise. */
const READINGS: readonly Reading[] = [
  { looks: /^[-+]?0\d+$/, as: 'number', but: ', not as an octal, and without leading zeros' },
  { looks: /^0o[0-7]+$/, as: 'number', but: ', as an octal' },
  { looks: /^0x[\da-f]+$/i, as: 'number', but: ', as a hexadecimal' },
  {
    looks: /^[-+]?(\.\d+|\d+(\.\d*)?)e[-+]?\d+$/i,
    as: 'number',
    but: ', because it looks like one with an exponent',
  },
  { looks: /^\d{4}-\d{1,2}-\d{1,2}([Tt\s].*)?$/, as: 'string', but: ', not as a date' },
  { looks: /^(yes|no|on|off)$/i, as: 'string', but: ', not as true or false' },
  { looks: /^[-+]?\d+(:[0-5]?\d)+(\.\d*)?$/, as: 'string', but: ', not as a number in base 60' },
  { looks: /^[-+]?\d[\d,]*_[\d_,]*(\.[\d_]*)?$/, as: 'string', but: ', not as a number' },
];

/**
 * What to say about a plain scalar that may be read otherwise than its author expects: numbers that
 * look like octals or have an exponent, dates, and more. Undefined for all others.
 *
 * @param source the scalar as it is written, without quotes
 * @param value what YAML made of it
 */
export function surprisingReading(source: string, value: unknown): string | undefined {
  const reading = READINGS.find(({ looks }) => looks.test(source));
  if (reading === undefined || reading.as !== typeof value) return undefined;
  const shown = source.length > 60 ? `${source.slice(0, 60)}…` : source;
  return reading.as === 'number'
    ? `is written ${shown} and read as the number ${String(value)}${reading.but}; if it is text, use quotes`
    : `is written ${shown} and read as text${reading.but}; quotes make that plain`;
}
