import { TransientSet } from '../../src/transient-map.ts';

/** What is to be called when a signal fires, by the signal. */
const hooks = new WeakMap<AbortSignal, TransientSet<() => void>>();

/**
 * Calls back when the signal fires, unless that is taken back before. One listener at the signal
 * itself serves everybody: to add one there and to take it off again is dear beside a short effect,
 * and takes longer the more there are.
 *
 * @returns takes it back
 */
export function onAbort(signal: AbortSignal, hook: () => void): () => void {
  let all = hooks.get(signal);
  if (all === undefined) {
    const made = new TransientSet<() => void>();
    signal.addEventListener(
      'abort',
      () => {
        for (const one of made) one();
      },
      { once: true },
    );
    hooks.set(signal, made);
    all = made;
  }
  const wanted = all.add(hook);
  return () => void wanted.delete(hook);
}
