import { afterReading } from './clock.ts';
import type { Clock } from './clock.ts';

/**
 * Runs something that may never answer. After `ms`, and once the input that arrived by then could
 * be read, it rejects with a `Failure` with the message. While it runs, `underWay` has a function
 * that makes it fail at once.
 */
export function withDeadline<T>(
  clock: Clock,
  ms: number,
  Failure: new (why: string) => Error,
  message: string,
  run: () => Promise<T>,
  underWay = new Set<() => void>(),
): Promise<T> {
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      timer.cancel();
      underWay.delete(abandon);
    };
    const late = (): void => {
      finish();
      reject(new Failure(message));
    };
    const abandon = (): void => {
      finish();
      reject(new Failure('abandoned'));
    };
    const timer = afterReading(clock, ms, late);
    underWay.add(abandon);
    run().then(
      (answer) => {
        finish();
        resolve(answer);
      },
      (cause: unknown) => {
        finish();
        reject(cause instanceof Error ? cause : new Failure(String(cause)));
      },
    );
  });
}
