import { createConnection } from 'node:net';

import { expect, it, onTestFinished } from 'vitest';

import { freshNamespace, serversForTests } from '../../../harness/servers.ts';
import { openBus, until } from '../nats-fixture.ts';

const BAD = 'NATS/1.0\r\nnot a key: x\r\n\r\n';

/** A client that speaks the protocol itself: the client package would not send such headers. */
async function rawProtocol(): Promise<{ send: (text: string) => void; received: () => string }> {
  const { hostname, port } = new URL(serversForTests().natsUrls[0] ?? '');
  const socket = createConnection(Number(port), hostname);
  onTestFinished(() => void socket.destroy());
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await until(() => text.includes('INFO'));
  socket.write('CONNECT {"headers":true,"verbose":false}\r\n');
  return { send: (line) => void socket.write(line), received: () => text };
}

/** Publishes an empty message whose headers the client package cannot read. */
const badMessage = (subject: string): string =>
  `HPUB ${subject} ${BAD.length} ${BAD.length}\r\n${BAD}\r\n`;

it('a reply with headers that cannot be read is malformed, and ends nothing else', async () => {
  const bus = await openBus();
  const hostile = await rawProtocol();
  const subject = freshNamespace();
  hostile.send(`SUB ${subject}.asked 1\r\nPING\r\n`);
  await until(() => hostile.received().includes('PONG'));
  const answered = bus.request(`${subject}.asked`, {}, 5_000);
  await until(() => hostile.received().includes(`MSG ${subject}.asked`));
  const [, inbox = ''] = /MSG \S+ 1 (\S+)/.exec(hostile.received()) ?? [];
  hostile.send(badMessage(inbox));
  expect(await answered).toMatchObject({ kind: 'malformed' });

  const seen: boolean[] = [];
  bus.subscribe(`${subject}.heard`, ({ account, wantsReply }) => {
    expect(account).toEqual({ kind: 'contradictory' });
    seen.push(wantsReply);
  });
  bus.subscribe(`${subject}.echo`, (message) => message.reply('still here'));
  await bus.flush();
  hostile.send(badMessage(`${subject}.heard`));
  await until(() => seen.length === 1);
  expect(await bus.request(`${subject}.echo`, {}, 5_000)).toMatchObject({ body: 'still here' });
});
