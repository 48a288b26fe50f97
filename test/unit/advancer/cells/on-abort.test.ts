import { expect, it } from 'vitest';

import { onAbort } from '../../../../advancer/cells/on-abort.ts';

it('calls the registered hooks when the signal fires, and no removed ones', () => {
  const [signal, other] = [new AbortController(), new AbortController()];
  const calls: string[] = [];
  onAbort(signal.signal, () => calls.push('a'));
  const takeBack = onAbort(signal.signal, () => calls.push('b'));
  onAbort(other.signal, () => calls.push('c'));
  takeBack();
  takeBack();
  signal.abort();
  signal.abort();
  expect(calls).toEqual(['a']);
});

it('the same hook may be added to several signals, and removed from one', () => {
  const [signal, other] = [new AbortController(), new AbortController()];
  let calls = 0;
  const hook = (): void => void (calls += 1);
  const takeBack = onAbort(signal.signal, hook);
  onAbort(other.signal, hook);
  takeBack();
  signal.abort();
  expect(calls).toBe(0);
  other.abort();
  expect(calls).toBe(1);
});

it('a hook that is added while others are called is not lost', () => {
  const { signal, abort } = ((controller) => ({
    signal: controller.signal,
    abort: () => controller.abort(),
  }))(new AbortController());
  const calls: string[] = [];
  onAbort(signal, () => {
    calls.push('first');
    onAbort(signal, () => calls.push('added'));
  });
  abort();
  expect(calls).toEqual(['first', 'added']);
});
