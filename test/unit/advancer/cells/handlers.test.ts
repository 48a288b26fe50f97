import { afterAll, beforeAll, expect, it } from 'vitest';

import { loadHandlers } from '../../../../advancer/cells/handlers.ts';
import { Folder } from './fixture.ts';

let folder: Folder;
beforeAll(async () => {
  folder = await Folder.make();
});
afterAll(() => folder.remove());

it.each([
  ['default.mjs', 'export default { one: () => 1, two: async () => 2 }'],
  ['named.mjs', 'export const one = () => 1; export function two() {}'],
  ['typed.ts', 'const n: number = 1; export default { one: (): number => n, two: () => n };'],
  ['typed-named.mts', 'export const one = (n: number): number => n; export const two = one;'],
])('handlers are loaded from %s', async (name, text) => {
  const handlers = await loadHandlers(await folder.script(name, text));
  expect(Object.keys(handlers).sort()).toEqual(['one', 'two']);
  expect(typeof handlers['one']).toBe('function');
});

it.each([
  [
    'function.mjs',
    'export default () => 1',
    /its default export must be an object {name: handler}, not a function/,
  ],
  ['number.mjs', 'export default { one: 1 }', /the handler "one" must be a function, not a number/],
  ['empty.mjs', '', /exports no handler: write/],
  ['throws.mjs', 'throw new Error("boom")', /cannot be imported: boom/],
  ['handlers.py', '', /must end in .ts, .mts, .js, .mjs/],
])('%s is rejected with the reason', async (name, text, message) => {
  const path = await folder.script(name, text);
  await expect(loadHandlers(path)).rejects.toThrow(message);
  await expect(loadHandlers(path)).rejects.toThrow(`LEASEHOLD_HANDLERS: ${path}`);
});
