import { ConfigError } from '../../src/config/config.ts';
import { EXIT } from '../exit-code.ts';
import { abortOnInterrupt } from '../interrupts.ts';
import { printJson } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import type { DevPorts } from './ports.ts';
import { DevStack } from './stack.ts';

/** How `leasehold dev` was called. */
export interface RunDevOptions {
  env: NodeJS.ProcessEnv;
  replicas: number;
  leaseTtlS: number;
  ports: DevPorts;
  dataDir: string | undefined;
  /** Print one line of JSON on stdout once ready; text for people goes to stderr. */
  json: boolean;
  /** Run the demo. */
  demo: boolean;
  /** Exit after the demo. */
  exit: boolean;
}

/** How often to check that npm still runs. */
const PARENT_POLL_MS = 500;

/**
 * Runs servers, replicas, the example ledger and runbooks on this machine until Ctrl-C or SIGTERM;
 * a second one kills instead of stopping. A replica that dies is reported and not restarted, so
 * that the others can be seen taking over.
 *
 * @returns the exit code: 0, or 1 if the demo saw an effect that did not happen exactly once
 * @throws ConfigError if the environment or an option is not usable; Error if something does not
 *   start
 */
export async function runDev(terminal: Terminal, options: RunDevOptions): Promise<number> {
  const { env, replicas, leaseTtlS, ports, dataDir, json, demo, exit } = options;
  if (demo && replicas < 2) {
    throw new ConfigError([
      `--replicas must be 2 or more for --show, which kills one, not ${replicas}`,
    ]);
  }
  const out = (line: string): void => (json ? terminal.err(line) : terminal.out(line));
  const style = { color: terminal.color && !json };
  const say = (text: string): void => terminal.err(`leasehold: ${text}`);
  const stop = new AbortController();
  const force = new AbortController();
  const onStop = (): void => say('stopping... press Ctrl-C again to force');
  const restore = abortOnInterrupt(terminal, { stop, force, onStop, reason: new Stopped() });
  const parentPoll = watchParent(env, () => stop.abort(new Stopped()));
  let dev: DevStack | undefined;
  try {
    dev = await DevStack.start({
      env,
      replicas,
      leaseTtlS,
      ports,
      dataDir,
      say,
      stop: stop.signal,
      force: force.signal,
    });
    if (json) printJson(terminal, dev.readyLine);
    let exitCode: number = EXIT.done;
    if (demo) {
      const { runDemo } = await import('./demo.ts');
      const problems = await runDemo(dev, { out, style, leaseTtlS, stop: stop.signal });
      for (const problem of problems) terminal.err(`the demo failed: ${problem}`);
      if (problems.length > 0) exitCode = EXIT.failure;
    }
    if (exit) return exitCode;
    if (!stop.signal.aborted) {
      const { summaryText } = await import('./summary.ts');
      out('');
      out(summaryText(dev, style));
      out('');
      out('Press Ctrl-C to stop everything.');
    }
    await aborted(stop.signal);
    return EXIT.done;
  } catch (error) {
    if (error instanceof Stopped) return exit ? EXIT.failure : EXIT.done;
    throw error;
  } finally {
    await dev?.stop();
    clearInterval(parentPoll);
    restore();
  }
}

/** The reason when the caller stopped the start or the demo. */
class Stopped extends Error {
  override readonly name = 'Stopped';
}

/**
 * Under npm, SIGTERM reaches npm and its shell but not this process: it stops when they are gone.
 */
function watchParent(env: NodeJS.ProcessEnv, gone: () => void): NodeJS.Timeout | undefined {
  if ((env['npm_lifecycle_event'] ?? '') === '') return undefined;
  const parent = process.ppid;
  return setInterval(() => {
    if (process.ppid !== parent) gone();
  }, PARENT_POLL_MS).unref();
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  // Replicas' pipes keep this process running; after the last replica's death, this timer does.
  const alive = setInterval(() => undefined, 60_000);
  return new Promise((resolve) => {
    const done = (): void => {
      clearInterval(alive);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
  });
}
