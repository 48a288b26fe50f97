import type { z } from 'zod';

import { KIND_NAMES } from '../kind-names.ts';

/** What is wrong with a field of a message; continues a sentence after its name. */
export function issueText(issue: z.core.$ZodIssue): string {
  // A rule that gives its message keeps it; these are zod's.
  if (!/^(?:Invalid input|Invalid option|Too small|Too big)/.test(issue.message))
    return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      if (issue.message.endsWith('received undefined')) return 'is required';
      return `must be ${KIND_NAMES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array') return 'must not be empty';
      return `must be at least ${issue.minimum}`;
    case 'too_big':
      if (issue.origin === 'string') return `must have at most ${issue.maximum} characters`;
      return `must be at most ${issue.maximum}`;
    default:
      return issue.message;
  }
}
