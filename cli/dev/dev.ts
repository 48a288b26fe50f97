import { ConfigError } from '../../src/config/config.ts';
import { DevStack } from './stack.ts';
import { EXIT } from '../exit-code.ts';
import { processTerminal } from '../terminal.ts';

/** How `leasehold dev` was called. */
export interface RunDevOptions {
  replicas: number;
  leaseTtlS: number;
  /** Print one line of JSON on stdout once ready; what is for people goes to stderr then. */
  json: boolean;
  /** Show the main job on the example. */
  show: boolean;
  /** End after the show. */
  exit: boolean;
}

/** How often to look whether npm still lives. */
const PARENT_WATCH_MS = 500;

/**
 * Servers, replicas, the example's ledger and runbooks on this machine, until Ctrl-C or SIGTERM; a
 * second Ctrl-C hurries. A replica that dies is told of and not started again: whoever kills one
 * wants to see the others take over.
 *
 * @returns the exit code: 0, or 1 when the show saw an effect that was not counted once
 * @throws ConfigError when the environment or an option is not usable; what kept something from
 *   starting
 */
export async function runDev(env: NodeJS.ProcessEnv, options: RunDevOptions): Promise<number> {
  const show = options.show || options.exit;
  if (show && options.replicas < 2) {
    throw new ConfigError([
      `--replicas must be 2 or more for --show, which kills one, not ${options.replicas}`,
    ]);
  }
  const terminal = processTerminal();
  const out = (line: string): void => (options.json ? terminal.err(line) : terminal.out(line));
  const style = { color: terminal.color && !options.json };
  const say = (text: string): void => terminal.err(`leasehold: ${text}`);
  const stop = new AbortController();
  const hurry = new AbortController();
  const restore = terminal.onInterrupt(() => {
    if (!stop.signal.aborted) {
      say('stopping; once more to hurry');
      stop.abort(new Stopped());
    } else if (!hurry.signal.aborted) hurry.abort();
    // Watchdogs end what is left.
    else process.exit(EXIT.failure);
  });
  const parentWatch = watchParent(env, () => stop.abort(new Stopped()));
  let dev: DevStack | undefined;
  try {
    say('starting the servers');
    const { replicas, leaseTtlS } = options;
    dev = await DevStack.start({
      env,
      replicas,
      leaseTtlS,
      say,
      stop: stop.signal,
      hurry: hurry.signal,
    });
    if (options.json) terminal.out(JSON.stringify(dev.readyLine));
    let exitCode: number = EXIT.done;
    if (show) {
      const { runShow } = await import('./show.ts');
      const faults = await runShow(dev, { out, style, leaseTtlS, stop: stop.signal });
      for (const fault of faults) terminal.err(`the show went wrong: ${fault}`);
      if (faults.length > 0) exitCode = EXIT.failure;
    }
    if (options.exit) return exitCode;
    if (!stop.signal.aborted) {
      out('');
      const { summaryText } = await import('./summary.ts');
      out(summaryText(dev, style));
      out('');
      out('Ctrl-C stops all of it.');
    }
    await aborted(stop.signal);
    return EXIT.done;
  } catch (error) {
    if (error instanceof Stopped) return options.exit ? EXIT.failure : EXIT.done;
    throw error;
  } finally {
    await dev?.stop();
    clearInterval(parentWatch);
    restore();
  }
}

/** Why the start or the show broke off: somebody wished so. */
class Stopped extends Error {
  override readonly name = 'Stopped';
}

/**
 * Under npm, SIGTERM reaches npm and its shell but not us; when they are gone, we are not wanted
 * either.
 */
function watchParent(env: NodeJS.ProcessEnv, gone: () => void): NodeJS.Timeout | undefined {
  if ((env['npm_lifecycle_event'] ?? '') === '') return undefined;
  const parent = process.ppid;
  return setInterval(() => {
    if (process.ppid !== parent) gone();
  }, PARENT_WATCH_MS).unref();
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  // Replicas' pipes keep us alive; where all have died, this timer does.
  const alive = setInterval(() => undefined, 60_000);
  return new Promise((resolve) => {
    const done = (): void => {
      clearInterval(alive);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
  });
}
