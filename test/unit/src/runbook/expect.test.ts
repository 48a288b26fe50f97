import { describe, expect, it } from 'vitest';

import { fillExpectations, judge, type Observed } from '../../../../src/runbook/expect.ts';
import { lostOutput } from '../../../../src/runbook/lost-output.ts';
import { fill } from '../../../../src/runbook/placeholder.ts';
import { pointerGet } from '../../../../src/runbook/pointer.ts';
import type { Expectation } from '../../../../src/runbook/runbook.ts';

describe('without expectations an outcome is as expected', () => {
  it.each<[string, Observed, boolean]>([
    [
      'when a command exits with 0',
      { class: 'succeeded', exitCode: 0, output: { stdout: '' } },
      true,
    ],
    ['not when it exits with 3', { class: 'refused', exitCode: 3, error: 'exit code 3' }, false],
    ['when a call is answered with 201', { class: 'succeeded', status: 201, output: null }, true],
    ['not when it is answered with 404', { class: 'refused', status: 404, error: 'no' }, false],
    ['not when it is answered with 429', { class: 'notBegun', status: 429, error: 'no' }, false],
    ['not when its status was moved', { class: 'refused', status: 200, output: null }, false],
    ['when a handler returns', { class: 'succeeded', output: null }, true],
    ['not when it throws', { class: 'refused', error: 'no' }, false],
  ])('%s', (_, observed, ok) => {
    expect(judge(undefined, observed).ok).toBe(ok);
  });
});

describe('with expectations only those count', () => {
  it.each<[string, Expectation[], Omit<Observed, 'class'>, string[]]>([
    ['a predicted exit code', [{ exitCode: 3 }], { exitCode: 3, error: 'exit code 3' }, []],
    ['a predicted status', [{ status: 404 }], { status: 404, error: 'status 404' }, []],
    ['a predicted error', [{ errorIncludes: 'no such' }], { error: 'no such order' }, []],
    [
      'an unexpected success',
      [{ exitCode: 3 }],
      { exitCode: 0 },
      ['exit code 3 was expected, but it was 0'],
    ],
    [
      'an error that did not come',
      [{ errorIncludes: 'x' }],
      { output: 1 },
      ['an error that includes "x" was expected, but there was none'],
    ],
    [
      'another error',
      [{ errorIncludes: 'x' }],
      { error: 'y' },
      ['an error that includes "x" was expected, but it was: y'],
    ],
    [
      'no status at all',
      [{ status: 200 }],
      { error: 'refused' },
      ['status 200 was expected, but there was none (refused)'],
    ],
    [
      'an equal output, whatever the order of its keys',
      [{ pointer: '/a', equals: { b: 1, c: 2 } }],
      { output: { a: { c: 2, b: 1 } } },
      [],
    ],
    [
      'another output',
      [{ pointer: '/a', equals: 1 }],
      { output: { a: '1' } },
      ['output /a was expected to be 1, but is "1"'],
    ],
    [
      'a missing output',
      [{ pointer: '/a/0', equals: 1 }],
      { output: { a: [] } },
      ['output /a/0 was expected to be 1, but does not exist'],
    ],
    ['existence', [{ pointer: '/a', exists: true }], { output: { a: null } }, []],
    ['absence', [{ pointer: '/b', exists: false }], { output: { a: null } }, []],
    [
      'absence without any output',
      [{ pointer: '/b', exists: false }],
      { error: 'boom' },
      ['output /b could not be checked: boom'],
    ],
    [
      'every one that does not hold',
      [{ exitCode: 0 }, { pointer: '', equals: 2 }],
      { exitCode: 1, output: 1 },
      ['exit code 0 was expected, but it was 1', 'the output was expected to be 2, but is 1'],
    ],
    [
      'not the exit code, when it is not named',
      [{ pointer: '/a', equals: 1 }],
      { exitCode: 9, output: { a: 1 } },
      [],
    ],
  ])('%s', (_, expectations, observed, failed) => {
    expect(judge(expectations, { class: 'succeeded', ...observed })).toEqual(
      failed.length === 0 ? { ok: true } : { ok: false, failed },
    );
  });

  it('and placeholders in equals are filled first', () => {
    const scope = { inputs: { n: 4 }, outputs: {} };
    expect(
      fillExpectations([{ pointer: '/a', equals: '${inputs.n}' }, { exitCode: 0 }], scope),
    ).toEqual({
      ok: true,
      expectations: [{ pointer: '/a', equals: 4 }, { exitCode: 0 }],
    });
    expect(fillExpectations([{ pointer: '/a', equals: '${inputs.m}' }], scope).ok).toBe(false);
  });
});

describe('without its output, which was lost', () => {
  const output = lostOutput('it has 300000 bytes', 300_000, 'x'.repeat(2_000));
  const observed: Observed = { class: 'succeeded', status: 201, output };

  it('a success without expectations is as expected', () => {
    expect(judge(undefined, observed)).toEqual({ ok: true });
  });

  it('an outcome whose expectations do not need it is judged by them', () => {
    expect(judge([{ status: 201 }], observed)).toEqual({ ok: true });
    expect(judge([{ status: 200 }], observed)).toMatchObject({ ok: false });
  });

  it('an expectation that needs it cannot be evaluated, absence included', () => {
    for (const one of [
      { pointer: '/a', equals: 1 },
      { pointer: '/a', exists: false },
    ]) {
      expect(judge([{ status: 201 }, one], observed)).toEqual({
        ok: 'unknown',
        unevaluated: ['output /a could not be checked, it was lost: it has 300000 bytes'],
      });
    }
  });

  it('an outcome is not as expected if another expectation does not hold', () => {
    expect(judge([{ status: 200 }, { pointer: '/a', equals: 1 }], observed)).toMatchObject({
      ok: false,
      failed: ['status 200 was expected, but it was 201'],
    });
  });

  it('a placeholder that refers to it cannot be filled', () => {
    const message = /\$\{outputs.a.*\} cannot be filled: the output of a was lost \(it has/;
    for (const text of ['${outputs.a}', '${outputs.a.outputLost.head}', 'x${outputs.a.b}']) {
      expect(fill(text, { inputs: {}, outputs: { a: output } })).toEqual({
        ok: false,
        message: expect.stringMatching(message),
      });
    }
  });
});

describe('a JSON pointer', () => {
  // The examples of RFC 6901, section 5.
  const document = {
    foo: ['bar', 'baz'],
    '': 0,
    'a/b': 1,
    'c%d': 2,
    'e^f': 3,
    'k"l': 6,
    ' ': 7,
    'm~n': 8,
  };
  it.each<[string, unknown]>([
    ['', document],
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
  ])('%j finds what RFC 6901 says', (pointer, value) => {
    expect(pointerGet(document, pointer)).toEqual({ found: true, value });
  });

  it.each([
    '/foo/2',
    '/foo/-',
    '/foo/01',
    '/foo/length',
    '/nope',
    '/__proto__',
    '/foo/0/0',
    'foo',
    '/m~n',
  ])('%j finds nothing', (pointer) => {
    expect(pointerGet(document, pointer)).toEqual({ found: false });
  });
});
