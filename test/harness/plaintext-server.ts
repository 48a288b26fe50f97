import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

/**
 * A server without TLS that records what its clients send; closed when the test is over.
 *
 * @param answer what it sends first, or in reply to each chunk that it receives
 */
export async function plaintextServer(answer: {
  greeting?: string;
  reply?: (chunk: Buffer) => string | undefined;
}): Promise<{ port: number; received: () => string; connections: () => number }> {
  const chunks: Buffer[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    if (answer.greeting !== undefined) socket.write(answer.greeting);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      const text = answer.reply?.(chunk);
      if (text !== undefined) socket.write(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return {
    port: (server.address() as AddressInfo).port,
    received: () => Buffer.concat(chunks).toString('latin1'),
    connections: () => connections,
  };
}
