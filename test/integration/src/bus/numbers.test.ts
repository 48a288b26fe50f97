import { expect, it } from 'vitest';

import { freshNamespace } from '../../../harness/servers.ts';
import { openBus, rawNats } from '../nats-fixture.ts';

it('a reply with a number that cannot be kept is malformed, and says where the number is', async () => {
  const [bus, raw] = [await openBus(), await rawNats()];
  const subject = `${freshNamespace()}.a`;
  const answers = ['{"n": [12345678901234567890]}', '{"n": [1.10, 9007199254740992]}'];
  raw.subscribe(subject, {
    callback: (_error, message) => void message.respond(new TextEncoder().encode(answers.shift())),
  });
  await raw.flush();
  expect(await bus.request(subject, {}, 5_000)).toEqual({
    kind: 'malformed',
    why: 'in the reply, the number 12345678901234567890 at /n/0 cannot be kept exactly; send it as text: "12345678901234567890"',
  });
  expect(await bus.request(subject, {}, 5_000)).toEqual({
    kind: 'reply',
    body: { n: [1.1, 9_007_199_254_740_992] },
  });
});
