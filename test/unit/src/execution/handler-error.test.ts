import { describe, expect, it } from 'vitest';

import {
  endingOfError,
  NotBegun,
  OutcomeUnknown,
} from '../../../../src/execution/handler-error.ts';

const withCode = (code: string): Error => Object.assign(new Error('no'), { code });
const named = (name: string): Error => Object.assign(new Error('no'), { name });

describe('what a handler threw', () => {
  it('is a refusal if it says nothing else', () => {
    expect(endingOfError(new Error('declined'))).toBe('threw');
    expect(endingOfError('declined')).toBe('threw');
    expect(endingOfError(undefined)).toBe('threw');
    expect(endingOfError(withCode('ENOENT'))).toBe('threw');
    expect(endingOfError(withCode('23505'))).toBe('threw');
  });

  it('is what it states', () => {
    expect(endingOfError(new NotBegun('the queue is full'))).toBe('threw_not_begun');
    expect(endingOfError(new OutcomeUnknown('no answer'))).toBe('threw_unknown');
    class Busy extends NotBegun {
      override readonly name = 'Busy';
    }
    expect(endingOfError(new Busy('busy'))).toBe('threw_not_begun');
  });

  it('is what it states even if another copy of the classes was loaded', () => {
    const copy = Object.assign(new Error('no'), {
      [Symbol.for('leasehold.outcome')]: 'threw_not_begun',
    });
    expect(endingOfError(copy)).toBe('threw_not_begun');
  });

  it('is not begun although its cause is a connection error: the handler knows', () => {
    const error = new NotBegun('no connection', { cause: withCode('ECONNREFUSED') });
    expect(endingOfError(error)).toBe('threw_not_begun');
  });

  it('is not "not begun" because of a cause that is', () => {
    expect(endingOfError(new Error('half done', { cause: new NotBegun('b') }))).toBe('threw');
  });

  it('is unknown if a cause says so', () => {
    const error = new Error('a', { cause: new Error('b', { cause: new OutcomeUnknown('c') }) });
    expect(endingOfError(error)).toBe('threw_unknown');
  });

  it.each([
    'ECONNRESET',
    'ECONNREFUSED',
    'ECONNABORTED',
    'EPIPE',
    'ETIMEDOUT',
    'ESOCKETTIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ERR_NETWORK',
    'ERR_CANCELED',
    'ERR_STREAM_PREMATURE_CLOSE',
    'ERR_HTTP2_STREAM_ERROR',
    'UND_ERR_SOCKET',
    'UND_ERR_HEADERS_TIMEOUT',
    'ABORT_ERR',
    'TIMEOUT',
    'CONNECTION_CLOSED',
    '08006',
    '57P01',
    'EMFILE',
    'ENFILE',
    'EAGAIN',
    'ENOMEM',
    'ENOSPC',
  ])('is broken off if the code of a cause is %s', (code) => {
    expect(endingOfError(withCode(code))).toBe('threw_broken_off');
    expect(endingOfError(new TypeError('fetch failed', { cause: withCode(code) }))).toBe(
      'threw_broken_off',
    );
  });

  it.each(['AbortError', 'TimeoutError', 'ConnectTimeoutError', 'SocketError'])(
    'is broken off if it is a %s',
    (name) => {
      expect(endingOfError(named(name))).toBe('threw_broken_off');
    },
  );

  it('is broken off if it is the reason of an abort signal', () => {
    expect(endingOfError(AbortSignal.abort().reason)).toBe('threw_broken_off');
    expect(endingOfError(new DOMException('late', 'TimeoutError'))).toBe('threw_broken_off');
  });

  it('is broken off if one of several errors is', () => {
    const error = new AggregateError([new Error('a'), withCode('ECONNRESET')], 'all failed');
    expect(endingOfError(new Error('no', { cause: error }))).toBe('threw_broken_off');
  });

  it('is broken off if a library says so only in its message', () => {
    expect(endingOfError(new Error('Connection terminated unexpectedly'))).toBe('threw_broken_off');
  });

  it('may be its own cause', () => {
    const error = new Error('around');
    error.cause = error;
    expect(endingOfError(error)).toBe('threw');
  });

  it('is unknown if it cannot be read', () => {
    const error = {
      get cause(): never {
        throw new Error('no');
      },
    };
    expect(endingOfError(error)).toBe('threw_unknown');
  });
});
