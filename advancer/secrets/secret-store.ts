import {
  secretFiles,
  SECRET_PREFIX,
  SECRETS_DIR,
  type SecretFile,
  type SecretReading,
  type SecretSources,
} from '../../src/config/secret-sources.ts';
import { errorText } from '../../src/error-text.ts';
import type { Logger } from '../../src/logger.ts';
import type { Clock, Timer } from '../../src/time/clock.ts';
import { TroubleLog } from '../../src/trouble-log.ts';
import { Redaction } from './redaction.ts';
import type { Secrets } from './secrets.ts';

/** How often the directory is looked at while nothing runs. */
const LOOK_EVERY_MS = 500;
/** Effects look at it too, at most this often. */
const LOOK_AT_MOST_EVERY_MS = 100;
/**
 * A change counts once it has been seen for this long: a file that is written in place is empty
 * first, and one that is replaced by hand may be gone for a moment.
 */
const SETTLES_MS = 400;
/** Of each secret, this many values are redacted: the newest, and those that it had before. */
const MOST_VALUES = 64;

/** The version of a file that is not there. */
const GONE = 'gone';

/** A file that has changed, and since when it is as it is. */
interface Change {
  version: string;
  sinceMs: number;
  /** Undefined: the file is gone. */
  read: SecretReading | undefined;
}

/**
 * The secrets of this process: variables, and files that may change while it runs.
 *
 * A value is redacted from the moment at which it is first seen, and also after it has been
 * replaced: an effect that began with the former one may print it, and so may a receiver that still
 * has it.
 */
export class SecretStore implements Secrets {
  readonly #sources: SecretSources;
  readonly #clock: Clock;
  readonly #values = new Map<string, string>();
  /** The values to redact, oldest first. */
  readonly #seen = new Map<string, string[]>();
  /** The version of each file whose value is in use. */
  readonly #versions = new Map<string, string>();
  readonly #changes = new Map<string, Change>();
  readonly #listeners: (() => void)[] = [];
  #redaction: Redaction | undefined;
  #lookedMs = Number.NEGATIVE_INFINITY;
  #trouble: TroubleLog | undefined;
  #logger: Logger | undefined;

  /** Reads the secrets; their problems have been reported with those of the settings. */
  constructor(sources: SecretSources, clock: Clock) {
    this.#sources = sources;
    this.#clock = clock;
    for (const [name, value] of Object.entries(sources.variables)) {
      this.#values.set(name, value);
      this.#sawValue(name, value);
    }
    this.#look(true);
  }

  value(name: string): string | undefined {
    this.#lookIfDue();
    return this.#values.get(name);
  }

  redaction(): Redaction {
    this.#lookIfDue();
    this.#redaction ??= new Redaction(
      [...this.#seen].flatMap(([name, values]) => values.map((value) => ({ name, value }))),
    );
    return this.#redaction;
  }

  /** The names of the secrets that there are now. */
  names(): string[] {
    return [...this.#values.keys()].sort();
  }

  /** Calls back when there are other names than before. */
  onNames(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Looks for changes from now on, and logs them. Returns what ends that. */
  follow(logger: Logger): () => void {
    const clock = this.#clock;
    this.#logger = logger;
    this.#trouble = new TroubleLog({
      clock,
      logger,
      happens: 'a secret cannot be read; it stays as it was',
      over: 'all secrets can be read',
    });
    if (this.#sources.dir === undefined) return () => undefined;
    const again = (): Timer =>
      clock.after(LOOK_EVERY_MS, () => {
        timer = again();
        this.#look(false);
      });
    let timer = again();
    return () => timer.cancel();
  }

  #lookIfDue(): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#lookedMs >= LOOK_AT_MOST_EVERY_MS) this.#look(false);
  }

  /** @param atOnce whether what is there counts without having been seen before */
  #look(atOnce: boolean): void {
    const { dir } = this.#sources;
    const nowMs = this.#clock.monotonicMs();
    this.#lookedMs = nowMs;
    if (dir === undefined) return;
    const before = this.names().join();
    let problems: string[];
    try {
      const files = secretFiles(dir);
      const names = new Set([...files.keys(), ...this.#versions.keys(), ...this.#changes.keys()]);
      problems = [...names].flatMap((name) => {
        const change = this.#changeOf(name, files.get(name), nowMs);
        if (change === undefined || !(atOnce || nowMs - change.sinceMs >= SETTLES_MS)) return [];
        return this.#apply(name, change) ?? [];
      });
    } catch (cause) {
      problems = [`${SECRETS_DIR}: ${errorText(cause)}`];
    }
    for (const problem of problems) this.#trouble?.add(problem);
    if (problems.length === 0) this.#trouble?.end();
    if (this.names().join() !== before) for (const listener of this.#listeners) listener();
  }

  /** What has changed since the file's value came into use; undefined if nothing has. */
  #changeOf(name: string, file: SecretFile | undefined, nowMs: number): Change | undefined {
    const version = file?.version ?? GONE;
    if (version === (this.#versions.get(name) ?? GONE)) {
      this.#changes.delete(name);
      return undefined;
    }
    const known = this.#changes.get(name);
    if (known?.version === version) return known;
    const change = { version, sinceMs: nowMs, read: file?.read() };
    this.#changes.set(name, change);
    if (change.read?.ok === true) this.#sawValue(name, change.read.value);
    return change;
  }

  /** Returns what is wrong with it, if it cannot come into use. */
  #apply(name: string, { version, read }: Change): string | undefined {
    if (read?.ok === false) return `${name} ${read.problem}`;
    if (Object.hasOwn(this.#sources.variables, name))
      return `${name} is set by ${SECRET_PREFIX}${name}, too; keep one`;
    this.#changes.delete(name);
    if (read === undefined) {
      this.#values.delete(name);
      this.#versions.delete(name);
      this.#logger?.warn({ secret: name }, 'a secret is gone');
      return undefined;
    }
    this.#versions.set(name, version);
    this.#values.set(name, read.value);
    this.#logger?.info({ secret: name }, 'read a secret');
    return undefined;
  }

  #sawValue(name: string, value: string): void {
    const seen = this.#seen.get(name) ?? [];
    // The newest is the last one.
    const others = seen.filter((one) => one !== value);
    this.#seen.set(name, [...others, value].slice(-MOST_VALUES));
    if (!seen.includes(value)) this.#redaction = undefined;
  }
}
