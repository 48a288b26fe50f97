import { expect, it } from 'vitest';
import { z } from 'zod';

import { issueText } from '../../../../src/request/issue-text.ts';

it.each<[schema: z.ZodType, value: unknown, text: string]>([
  [z.string().min(1), '', 'must not be empty'],
  [z.string().min(1), undefined, 'is required'],
  [z.string(), 7, 'must be text'],
  [z.int(), 1.5, 'must be a whole number'],
  [z.int().min(1), 0, 'must be at least 1'],
  [z.int().max(9), 10, 'must be at most 9'],
  [z.string().max(3), 'four', 'must have at most 3 characters'],
  [z.enum(['a', 'b']), 'c', 'must be one of a, b'],
  [z.string().regex(/^a/, 'must begin with a'), 'b', 'must begin with a'],
])('what is wrong with a value is said in plain words: %#', (schema, value, text) => {
  expect(issueText(schema.safeParse(value).error!.issues[0]!)).toBe(text);
});
