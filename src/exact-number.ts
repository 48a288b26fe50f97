/**
 * Whether a decimal number survives being read as a JavaScript number: printing what was read gives
 * the same decimal value. `1.10` and `0.1` do; `12345678901234567890`, `1e400` and
 * `0.10000000000000000555` do not.
 *
 * @param source a number as JSON or YAML write it; any other text does not survive
 */
export function isExact(source: string): boolean {
  const value = Number(source);
  if (!Number.isFinite(value)) return false;
  const printed = String(value);
  if (printed === source) return true;
  const written = decimalOf(source);
  const read = decimalOf(printed);
  return written !== undefined && read !== undefined && written === read;
}

/** The number with a BigInt's value; undefined when no JavaScript number prints that value. */
export function exactNumber(value: bigint): number | undefined {
  return isExact(String(value)) ? Number(value) : undefined;
}

/** No double prints more significant digits. A number with more differs from what is printed. */
const MOST_DIGITS = 17;

/**
 * A decimal number without its sign in one form per value: its significant digits and the power of
 * ten of the last one. Undefined for other texts and for more digits than a double prints.
 *
 * Loops find the zeros: a regular expression would take quadratic time for a long run of them.
 */
function decimalOf(text: string): string | undefined {
  const match = /^[-+]?(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const digits = whole + fraction;
  if (digits === '') return undefined;
  let from = 0;
  while (digits[from] === '0') from += 1;
  if (from === digits.length) return '0';
  let to = digits.length;
  while (digits[to - 1] === '0') to -= 1;
  if (to - from > MOST_DIGITS) return undefined;
  return `${digits.slice(from, to)}e${Number(exponent) - fraction.length + digits.length - to}`;
}
