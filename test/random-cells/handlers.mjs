// Handlers of random cells, registered by LEASEHOLD_HANDLERS. They run inside the replica and do as
// effect.sh does; see there.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { NotBegun, OutcomeUnknown } from '../../dist/src/index.js';

const verdictFile = ({ inputs, instanceId, cellId, idempotencyKey }) =>
  join(inputs.verdicts, `${instanceId}.${cellId}.${idempotencyKey.split('/').pop()}`);

/** Tries again while the replica is out of files: that is its problem, and not the receiver's. */
async function patiently(work) {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (error.code !== 'EMFILE') throw error;
      await pause(50);
    }
  }
}

function note(call, what, said, move) {
  const { inputs, instanceId, cellId, idempotencyKey, attempt, fencingToken } = call;
  const line = [what, instanceId, cellId, idempotencyKey, attempt, fencingToken, said, move];
  const text = `${line.join(' ')} ${what === 'effect' ? Date.now() : '-'}\n`;
  return patiently(() => appendFileSync(inputs.ledger, text));
}

function settle(call, verdict) {
  const file = verdictFile(call);
  return patiently(() => {
    try {
      writeFileSync(file, `${verdict}\n`, { flag: 'wx' });
      return verdict;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      return verdictIn(file) ?? 'refused';
    }
  });
}

function verdictIn(file) {
  try {
    const text = readFileSync(file, 'utf8').trim();
    return text === '' ? undefined : text;
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Notes what the receiver knows, and returns what the effect does. */
async function act(call, move, want) {
  if (want === '+') {
    if ((await settle(call, 'acted')) === 'acted') return noted(call, 'acted', move);
    return move.startsWith('value')
      ? noted(call, 'refused', 'threw')
      : noted(call, 'nothing', move);
  }
  if (want === '!') {
    if ((await settle(call, 'refused')) === 'refused') return noted(call, 'refused', move);
    return noted(call, 'acted', 'value');
  }
  return noted(call, 'nothing', move);
}

async function noted(call, knew, move) {
  await note(call, 'effect', knew, move);
  return move;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const stopped = (signal) =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', resolve, { once: true });
  });

const coded = (code) => Object.assign(new Error('it broke'), { code });

async function effect(call) {
  const words = call.inputs.plan.split(' ');
  const word = words[Math.min(call.attempt, words.length) - 1];
  const planned = word.slice(0, -1);
  if (planned === 'value-late') await pause(300);
  switch (await act(call, planned, word.at(-1))) {
    case 'value':
    case 'value-late':
      return { done: true };
    case 'value-bigint':
      return { done: true, large: 12345678901234567890n };
    case 'value-nothing':
      return undefined;
    case 'value-text':
      return 'done';
    case 'value-large':
      return 'x'.repeat(300_000);
    case 'value-function':
      return () => 'done';
    case 'value-stopped':
      await stopped(call.signal);
      return { done: true };
    case 'threw':
      throw new Error('declined');
    case 'threw-text':
      // oxlint-disable-next-line typescript/only-throw-error -- handlers of others do it too
      throw 'declined';
    case 'threw-not-begun':
      throw new NotBegun('declined');
    case 'threw-unknown':
      throw new OutcomeUnknown('no answer');
    case 'threw-unknown-cause':
      throw new Error('failed', { cause: new OutcomeUnknown('no answer') });
    case 'threw-reset':
      throw coded('ECONNRESET');
    case 'threw-abort':
      throw new DOMException('aborted', 'AbortError');
    case 'threw-timeout-cause':
      throw new Error('failed', { cause: coded('ETIMEDOUT') });
    case 'threw-aggregate':
      throw new AggregateError([new Error('a'), coded('EPIPE')], 'both failed');
    case 'threw-stopped':
      await stopped(call.signal);
      throw new Error('declined');
    case 'never-ends':
      // Long after the replica has given up on it, unless it was frozen.
      await pause(5_000);
  }
  throw new OutcomeUnknown('it took too long');
}

/** Answers about an attempt, as probe.sh does. */
async function probe(call) {
  let says = call.inputs.says;
  if (says === 'truth') {
    const verdict = await patiently(() => verdictIn(verdictFile(call)));
    says = verdict === 'acted' ? 'happened' : 'did_not_happen';
  }
  await note(call, 'probe', says, '-');
  switch (says) {
    case 'happened':
      return { answer: 'happened', output: { done: true, probed: true } };
    case 'did_not_happen':
    case 'unknown':
      return { answer: says };
    case 'nonsense':
      return { yes: 'perhaps' };
    default:
      throw new Error('the probe fails');
  }
}

export default { effect, probe, elsewhere: effect };
