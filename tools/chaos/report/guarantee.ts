/** Short names of the seven guarantees, by number. The check table has a group for each. */
export const GUARANTEES: ReadonlyMap<number, string> = new Map([
  [1, 'Intent first'],
  [2, 'Tokens never go back'],
  [3, 'At most once'],
  [4, 'Never stuck'],
  [5, 'Nothing lost'],
  [6, 'The truth is kept'],
  [7, 'No wall clock in safety'],
]);

export function guaranteeName(guarantee: number): string {
  return GUARANTEES.get(guarantee) ?? 'Other';
}
