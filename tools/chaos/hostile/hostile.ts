import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Child } from '../../stack/child.ts';
import { ownScript } from '../../stack/own-script.ts';
import type { Watchdog } from '../../stack/watchdog.ts';

/** What the hostile client is started with, as one JSON argument. */
export interface HostileArguments {
  /** The NATS server. */
  url: string;
  namespace: string;
  /** Messages a second, besides an answer to every question between replicas. */
  rate: number;
  seed: number;
  user: string;
  password: string;
  /** Where it writes its counts, every second and at its end. */
  countsFile: string;
}

/** What the hostile client did. */
export interface HostileCounts {
  sent: number;
  /** Not sent: NATS was down, or took messages more slowly than the rate. */
  unsent: number;
  heard: number;
  /** Messages that the server refused because the client's permissions forbid them. */
  refused: number;
  byMove: { [move: string]: number };
}

/** What {@link HostileClients} needs. */
export interface HostileClientsOptions {
  natsUrl: string;
  namespace: string;
  /** Folder for logs and counts. */
  dir: string;
  watchdog: Watchdog;
}

/**
 * The user that hostile clients connect as. It may say and hear everything but the inboxes of
 * honest agents: what a server can enforce is left to the server.
 */
const HOSTILE = { user: 'hostile', password: 'hostile' } as const;
/** Where the run's honest agents are answered. */
export const HONEST_INBOX = '_INBOX.honest';

/** How long a client has to write down its counts before it is killed. */
const STOP_MS = 2_000;

/** The configuration of a NATS server on which hostile clients are told apart from all others. */
export function hostileNatsConfig(): string {
  const denied = `{deny: ["${HONEST_INBOX}.>"]}`;
  return [
    'authorization {',
    '  users = [',
    '    {user: everyone, password: everyone}',
    `    {user: ${HOSTILE.user}, password: ${HOSTILE.password},`,
    `     permissions: {publish: ${denied}, subscribe: ${denied}}}`,
    '  ]',
    '}',
    'no_auth_user: everyone',
    '',
  ].join('\n');
}

/** Starts hostile clients, each a process, and adds up what they did. */
export class HostileClients {
  readonly #options: HostileClientsOptions;
  readonly #running = new Set<Child<unknown>>();
  readonly #countsFiles: string[] = [];

  constructor(options: HostileClientsOptions) {
    this.#options = options;
  }

  /** @returns ends the client that was started */
  async start(rate: number, seed: number): Promise<() => Promise<void>> {
    const { natsUrl, namespace, dir, watchdog } = this.#options;
    const name = `hostile-${this.#countsFiles.length + 1}`;
    const countsFile = join(dir, `${name}.json`);
    const argument: HostileArguments = {
      url: natsUrl,
      namespace,
      rate,
      seed,
      ...HOSTILE,
      countsFile,
    };
    const child = new Child<unknown>({
      name: 'the hostile client',
      argv: [...ownScript('hostile-main', import.meta.dirname), JSON.stringify(argument)],
      env: { PATH: process.env['PATH'] },
      logFile: join(dir, `${name}.log`),
      watchdog,
    });
    this.#running.add(child);
    this.#countsFiles.push(countsFile);
    await child.ready;
    return () => this.#end(child);
  }

  /** Ends every client. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((child) => this.#end(child)));
  }

  /** What all clients did; undefined if there were none. */
  counts(): HostileCounts | undefined {
    if (this.#countsFiles.length === 0) return undefined;
    const sum: HostileCounts = { sent: 0, unsent: 0, heard: 0, refused: 0, byMove: {} };
    for (const file of this.#countsFiles) {
      const { sent, unsent, heard, refused, byMove } = JSON.parse(
        readFileSync(file, 'utf8'),
      ) as HostileCounts;
      sum.sent += sent;
      sum.unsent += unsent;
      sum.heard += heard;
      sum.refused += refused;
      for (const [move, count] of Object.entries(byMove))
        sum.byMove[move] = (sum.byMove[move] ?? 0) + count;
    }
    return sum;
  }

  async #end(child: Child<unknown>): Promise<void> {
    this.#running.delete(child);
    child.signal('SIGTERM');
    const patience = setTimeout(() => child.signal('SIGKILL'), STOP_MS);
    await child.exited;
    clearTimeout(patience);
  }
}
