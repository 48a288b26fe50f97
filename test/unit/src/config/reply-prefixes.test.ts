import { describe, expect, it } from 'vitest';

import {
  DEFAULT_REPLY_PREFIXES,
  isReplySubject,
  parseInboxPrefix,
  parseReplyPrefixes,
} from '../../../../src/config/reply-prefixes.ts';

describe('the subject of a reply', () => {
  it.each(['_INBOX.a', '_INBOX.a.b', '_R_.x.y'])('may be %s', (subject) => {
    expect(isReplySubject(subject, DEFAULT_REPLY_PREFIXES)).toBe(true);
  });

  it.each([
    '$JS.API.STREAM.PURGE.X',
    '$SYS.REQ.SERVER.PING',
    'leasehold.default.replica.r-1',
    '_INBOX',
    '_INBOXES.a',
    'x._INBOX.a',
    '_INBOX.>',
    '_INBOX.*',
    '_INBOX.a b',
    '',
  ])('may not be %j', (subject) => {
    expect(isReplySubject(subject, DEFAULT_REPLY_PREFIXES)).toBe(false);
  });
});

describe('a prefix', () => {
  it.each([
    ['_INBOX.agent-7', '_INBOX.agent-7'],
    ['_INBOX.agent-7.', '_INBOX.agent-7'],
  ])('of an inbox: %s is read as %s', (text, value) => {
    expect(parseInboxPrefix(text)).toEqual({ ok: true, value });
  });

  it.each([
    ['_INBOX.>', /wildcard/],
    ['$JS.API', /belongs to the NATS server/],
    ['leasehold.default', /where requests go/],
    ['a..b', /words of/],
    ['a b', /words of/],
    ['a\r\nPUB x 0', /words of/],
    ['x'.repeat(200), /longer than 128/],
  ])('of an inbox is not %j', (text, problem) => {
    expect(parseInboxPrefix(text)).toMatchObject({
      ok: false,
      problem: expect.stringMatching(problem) as string,
    });
    expect(parseReplyPrefixes(`_R_,${text}`)).toMatchObject({
      ok: false,
      problem: expect.stringMatching(problem) as string,
    });
  });

  it('of replies comes back with a dot, however it is written', () => {
    expect(parseReplyPrefixes(' _INBOX., _R_ ,')).toEqual({ ok: true, value: ['_INBOX.', '_R_.'] });
    expect(parseReplyPrefixes(' , ')).toMatchObject({ ok: false });
  });
});
