import { openSync, writeSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { echo } from './echo.ts';
import type { WitnessedEffect } from './witness.ts';

/*
 * The witness: a separate process with separate storage (a file of JSON lines) that receives the
 * workload's effects. It knows nothing about leases, runbooks or logs: it writes down each effect,
 * then answers.
 *
 * `POST /effects` is an effect. In its query, `ms` delays the answer, `once` limits that delay to
 * the first call with a key, `fail=N` answers the first N runs (the last part of the key) with 422,
 * `status` sets the status of the answer, and `echo` repeats the credentials that came with it.
 * `element` is noted as it is. `GET /probe` answers whether the key's effect has happened.
 */

const file = openSync(process.argv[2] ?? '', 'a');
const counts = new Map<string, number>();

const server = createServer((request, response) => {
  serve(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(
    `${JSON.stringify({ ready: true, pid: process.pid, url: `http://127.0.0.1:${port}` })}\n`,
  );
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://witness');
  const key = String(request.headers['idempotency-key']);
  for await (const _ of request) continue;
  const said = url.searchParams.has('echo') ? echo(request.headers.authorization ?? '') : {};
  if (url.pathname === '/probe') {
    const count = counts.get(key) ?? 0;
    const answer =
      count > 0
        ? { answer: 'happened', output: { ok: true, key, count, ...said } }
        : { answer: 'did_not_happen' };
    reply(response, 200, answer);
    return;
  }
  if (url.pathname !== '/effects' || request.method !== 'POST') {
    reply(response, 404, { error: 'POST /effects or GET /probe' });
    return;
  }
  const count = (counts.get(key) ?? 0) + 1;
  counts.set(key, count);
  const [instanceId = '', cellId = '', run = ''] = key.split('/');
  const failed = Number(run) <= Number(url.searchParams.get('fail') ?? 0);
  const status = failed ? 422 : Number(url.searchParams.get('status') ?? 201);
  const attempt = request.headers['x-attempt'];
  const element = url.searchParams.get('element');
  const effect: WitnessedEffect = {
    at: new Date().toISOString(),
    instanceId,
    cellId,
    attempt: attempt === undefined ? null : Number(attempt),
    fencingToken: Number(request.headers['leasehold-fencing-token']),
    idempotencyKey: key,
    status,
    ...(element !== null && { element }),
  };
  // Written before it is answered, so that an effect whose caller is killed now is still on file.
  writeSync(file, `${JSON.stringify(effect)}\n`);
  const delayed = url.searchParams.get('once') === null || count === 1;
  const delayMs = delayed ? Number(url.searchParams.get('ms') ?? 0) : 0;
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  reply(response, status, { ok: status < 300, key, count, cell: cellId, ...said });
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
