import type { Json } from '../json.ts';

/** The result of resolving a pointer. */
export type Found = { found: true; value: Json } | { found: false };

/**
 * Resolves a JSON pointer (RFC 6901) in `value`; the empty pointer is the whole value.
 *
 * Only own properties count, so a pointer never reaches a prototype. A malformed pointer finds
 * nothing.
 */
export function pointerGet(value: Json | undefined, pointer: string): Found {
  if (value === undefined || pointerFault(pointer) !== undefined) return { found: false };
  let at: Json = value;
  for (const key of pointerKeys(pointer)) {
    const next = memberOf(at, key);
    if (next === undefined) return { found: false };
    at = next;
  }
  return { found: true, value: at };
}

/** The JSON pointer that leads along these keys and indexes. */
export function pointerOf(path: readonly string[]): string {
  return path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** The keys and indexes along which a well-formed pointer leads. */
export function pointerKeys(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** What is wrong with a pointer's syntax; undefined when it is valid. */
export function pointerFault(pointer: string): string | undefined {
  if (pointer !== '' && !pointer.startsWith('/')) {
    return `must be empty (the whole value) or start with /, such as /${pointer.replace(/^#\/?/, '')}`;
  }
  if (/~(?![01])/.test(pointer)) return 'must write ~ as ~0 and / inside a key as ~1';
  return undefined;
}

/**
 * An own member of an object, or an element of an array by its index; undefined when there is none.
 */
export function memberOf(value: Json, key: string): Json | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return /^(0|[1-9]\d{0,9})$/.test(key) ? value[Number(key)] : undefined;
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
