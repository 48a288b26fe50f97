import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { claimedAgent } from '../../../../advancer/intake/claimed-agent.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

it('the agent that a message names is found unread, wherever it stands', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (members, where) => {
      const entries = Object.entries(members).filter(([key]) => key !== 'agentId');
      entries.splice(where % (entries.length + 1), 0, ['agentId', 'agent-7']);
      const value = Object.fromEntries(entries);
      for (const indent of [undefined, 2])
        expect(claimedAgent(bytes(JSON.stringify(value, null, indent)))).toBe('agent-7');
    }),
  );
});

it.each([
  '{}',
  '{"inputs": {"agentId": "inner"}}',
  '{"inputs": "\\"agentId\\": \\"text\\""}',
  '{"agentId": {"agentId": "deep"}}',
  '{"agentId": 7, "x": "agentId"}',
  '{"agentId": "not an id"}',
  '["agentId", "a"]',
  'agentId: a',
  '{"agentId": "unclosed',
])('%s names none, or none that is believed', (text) => {
  expect(claimedAgent(bytes(text))).toBeUndefined();
});
