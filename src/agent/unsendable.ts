/** A part of a value that JSON would change without a word, or not write at all. */
export interface Unsendable {
  /** The keys and indexes that lead to it. */
  path: string[];
  message: string;
}

/** Nothing that can be sent nests deeper. */
const MAX_NESTING = 64;

/**
 * The first part of a value that `JSON.stringify` would change: it writes NaN, the infinities and
 * what is undefined or a function in an array as null, and maps and sets as empty objects. It
 * throws for a BigInt and for a value inside itself. Undefined when there is none.
 */
export function unsendable(value: unknown, depth = 0): Unsendable | undefined {
  switch (typeof value) {
    case 'number':
      return Number.isFinite(value) ? undefined : fault(`${value} is not a number in JSON`);
    case 'bigint':
      return fault(`is a BigInt, which JSON cannot write; send it as text: "${value}"`);
    case 'function':
    case 'symbol':
      return fault(`is a ${typeof value}, which JSON cannot write`);
    case 'object':
      return value === null ? undefined : unsendableMember(value, depth);
    default:
      return undefined;
  }
}

function unsendableMember(value: object, depth: number): Unsendable | undefined {
  if (depth > MAX_NESTING)
    return fault(`nests more than ${MAX_NESTING} levels deep, or is inside itself`);
  if ('toJSON' in value && typeof value.toJSON === 'function') return undefined;
  if (value instanceof Map || value instanceof Set)
    return fault(`is a ${value.constructor.name}, which JSON cannot write`);
  for (const [key, member] of Object.entries(value) as [string, unknown][]) {
    const found =
      member === undefined && Array.isArray(value)
        ? fault('is undefined, which JSON cannot write')
        : unsendable(member, depth + 1);
    if (found !== undefined) {
      found.path.unshift(key);
      return found;
    }
  }
  return undefined;
}

function fault(message: string): Unsendable {
  return { path: [], message };
}
