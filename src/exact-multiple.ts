/**
 * Whether a number is a multiple of another, as the decimal numbers that they print: 1.1 is one of
 * 0.1, although the quotient of the two doubles is no whole number.
 */
export function isMultipleOf(value: number, divisor: number): boolean {
  const a = decimal(value);
  const b = decimal(divisor);
  const power = Math.min(a.power, b.power);
  const left = a.digits * 10n ** BigInt(a.power - power);
  const right = b.digits * 10n ** BigInt(b.power - power);
  return left % right === 0n;
}

/** A finite number as whole digits times a power of ten. */
function decimal(value: number): { digits: bigint; power: number } {
  const [mantissa = '', exponent = '0'] = String(value).split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  return { digits: BigInt(whole + fraction), power: Number(exponent) - fraction.length };
}
