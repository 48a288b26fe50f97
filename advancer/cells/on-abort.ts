import { TransientSet } from '../../src/transient-map.ts';

/** What to call when a signal fires, by signal. */
const hooks = new WeakMap<AbortSignal, TransientSet<() => void>>();

/**
 * Calls back when the signal fires, unless the returned function is called first. The signal itself
 * gets one listener in all: adding and removing one for each effect is expensive compared with a
 * short effect, and takes longer the more listeners there are.
 *
 * @returns removes the hook
 */
export function onAbort(signal: AbortSignal, hook: () => void): () => void {
  let registered = hooks.get(signal);
  if (registered === undefined) {
    const made = new TransientSet<() => void>();
    signal.addEventListener(
      'abort',
      () => {
        for (const each of made) each();
      },
      { once: true },
    );
    hooks.set(signal, made);
    registered = made;
  }
  const own = registered.add(hook);
  return () => void own.delete(hook);
}
