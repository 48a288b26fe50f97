import { afterReading } from './clock.ts';
import type { Clock } from './clock.ts';

/**
 * Runs something that may never answer; after `ms`, and once what came until then can have been
 * read, it throws a `Failure` with `otherwise` as message. While it runs, `underWay` holds the way
 * to make it fail at once.
 */
export function withDeadline<T>(
  clock: Clock,
  ms: number,
  Failure: new (why: string) => Error,
  otherwise: string,
  run: () => Promise<T>,
  underWay = new Set<() => void>(),
): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = (): void => {
      timer.cancel();
      underWay.delete(abandon);
    };
    const late = (): void => {
      over();
      reject(new Failure(otherwise));
    };
    const abandon = (): void => {
      over();
      reject(new Failure('given up'));
    };
    const timer = afterReading(clock, ms, late);
    underWay.add(abandon);
    run().then(
      (answer) => {
        over();
        resolve(answer);
      },
      (cause: unknown) => {
        over();
        reject(cause instanceof Error ? cause : new Failure(String(cause)));
      },
    );
  });
}
