/** A value as Postgres has it: what may be undefined is null. */
export type WithNulls<T> = { [K in keyof T]: T[K] | null };

/** The value without its members that are null. */
export function withoutNulls<T extends object>(line: WithNulls<T>): T {
  return Object.fromEntries(Object.entries(line).filter(([, value]) => value !== null)) as T;
}
