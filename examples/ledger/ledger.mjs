// The system that receives the examples' effects. It records every effect that it receives and
// counts them by idempotency key. It refuses nothing and never deduplicates, so an effect that
// happened twice shows up here, no matter what any log says.
//
//   node examples/ledger/ledger.mjs [PORT [FILE]]     prints {"ready": true, "pid", "url"}
//
//   POST /effects           records the effect        201 {key, count}
//   GET  /effects?key=KEY   the effects of one key    {count, effects}
//   GET  /effects           all of them               {count, effects}
//
//   PUT  /delay {"ms": N, "where": "before" | "after"}
//   GET  /delay             the setting, and how many senders wait    {ms, where, waiting}
//
// A delay makes it slow, which leaves time to kill a replica in the middle of an effect. "after"
// (the default): an effect is recorded at once, and its answer comes N ms later. "before": an
// effect is recorded after N ms, and not at all if its sender is gone by then.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fastify } from 'fastify';

const MAX_DELAY_MS = 600_000;

/** In memory, and in the file if one is given: without it, a restarted ledger is empty. */
const [port = '0', file] = process.argv.slice(2);
const effects = file !== undefined && existsSync(file) ? readEffects(file) : [];
let delay = { ms: 0, where: 'after' };
let waiting = 0;

const app = fastify({ forceCloseConnections: true });

// Every body is recorded, whether it is JSON or not.
app.removeAllContentTypeParsers();
app.addContentTypeParser('*', { parseAs: 'string' }, (_request, text, done) => {
  try {
    done(null, text === '' ? null : JSON.parse(text));
  } catch {
    done(null, text);
  }
});

function readEffects(path) {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line));
}

const withKey = (key) => effects.filter((effect) => effect.key === key);

/** Makes a sender wait; returns whether it stayed connected all the time. */
async function staysFor(socket, ms) {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  socket.once('close', onClose);
  if (socket.destroyed) onClose();
  waiting += 1;
  try {
    return await sleep(ms, true, { signal: gone.signal });
  } catch {
    return false;
  } finally {
    waiting -= 1;
    socket.off('close', onClose);
  }
}

app.post('/effects', async (request, reply) => {
  const key = request.headers['idempotency-key'] ?? null;
  const { ms, where } = delay;
  if (ms > 0 && where === 'before' && !(await staysFor(request.raw.socket, ms)))
    return reply.hijack();
  const time = new Date().toISOString();
  const effect = { key, time, headers: request.headers, body: request.body ?? null };
  effects.push(effect);
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(effect)}\n`);
  const { length: count } = withKey(key);
  if (ms > 0 && where === 'after') await staysFor(request.raw.socket, ms);
  return reply.code(201).send({ key, count });
});

app.get('/effects', (request) => {
  const { key } = request.query;
  const found = key === undefined ? effects : withKey(key);
  return { count: found.length, effects: found };
});

app.put('/delay', (request, reply) => {
  const { ms, where = 'after' } = request.body ?? {};
  if (!Number.isInteger(ms) || ms < 0 || ms > MAX_DELAY_MS) {
    const message = `ms: must be a whole number of milliseconds from 0 to ${MAX_DELAY_MS}`;
    return reply.code(400).send({ error: { code: 'invalid', message, field: 'ms' } });
  }
  if (where !== 'before' && where !== 'after') {
    const message = 'where: must be before or after';
    return reply.code(400).send({ error: { code: 'invalid', message, field: 'where' } });
  }
  delay = { ms, where };
  return reply.send(delay);
});

app.get('/delay', () => ({ ...delay, waiting }));

// Exits without waiting for delayed answers.
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));

const url = await app.listen({ host: '127.0.0.1', port: Number(port) });
console.log(JSON.stringify({ ready: true, pid: process.pid, url }));
