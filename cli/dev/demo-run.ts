import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { Agent } from '../../src/agent/agent.ts';
import { readAgentConfig } from '../../src/config/config.ts';
import type { WireRow } from '../../src/execution/row.ts';
import { detailText, rowText } from '../render/row.ts';
import { clean, cut, table } from '../render/table.ts';
import type { Style } from '../render/table.ts';
import { LedgerClient } from './ledger-client.ts';
import type { DevStack } from './stack.ts';

/** How to run the demo. */
export interface DemoOptions {
  out: (line: string) => void;
  style: Style;
  leaseTtlS: number;
  /** Stops the demo. */
  stop: AbortSignal;
}

const UNTIL_TIMEOUT_MS = 15_000;
const POLL_MS = 25;

/** What the scenarios of the demo share: two agents, the ledger, the output and the problems. */
export class DemoRun {
  readonly dev: DevStack;
  readonly leaseTtlS: number;
  readonly agentA: Agent;
  readonly agentB: Agent;
  readonly ledger: LedgerClient;
  /** Part of every instance id, so that runs on the same servers do not collide. */
  readonly suffix = randomBytes(2).toString('hex');
  /** What went wrong. */
  readonly problems: string[] = [];
  /** Idempotency keys of the effects that the scenarios cause. */
  readonly keys: string[] = [];
  readonly #options: DemoOptions;
  #scenarios = 0;

  private constructor(dev: DevStack, agents: readonly [Agent, Agent], options: DemoOptions) {
    this.dev = dev;
    this.leaseTtlS = options.leaseTtlS;
    [this.agentA, this.agentB] = agents;
    this.ledger = new LedgerClient(dev.ledgerUrl);
    this.#options = options;
  }

  /** Connects the agents. */
  static async connect(dev: DevStack, options: DemoOptions): Promise<DemoRun> {
    const { namespace, nats } = readAgentConfig(dev.env);
    const connect = (agentId: string): Promise<Agent> =>
      Agent.connect({ agentId, namespace, ...nats });
    return new DemoRun(dev, [await connect('agent-a'), await connect('agent-b')], options);
  }

  async close(): Promise<void> {
    await Promise.all([this.agentA.close(), this.agentB.close()]);
  }

  /** Prints the title of the next scenario. @throws the reason if the demo is stopped */
  begin(title: string): void {
    this.#options.stop.throwIfAborted();
    this.#scenarios += 1;
    const text = `${this.#scenarios}. ${title}`;
    this.#options.out('');
    this.#options.out(this.#options.style.color ? `\u001b[1m${text}\u001b[0m` : text);
  }

  /** Prints one line: an actor, and what it did or saw. */
  say(actor: string, text: string): void {
    if (!this.#options.stop.aborted) this.#options.out(`   ${actor.padEnd(8)}  ${clean(text)}`);
  }

  table(head: string[], rows: (string | number | null | undefined)[][]): void {
    for (const line of table(head, rows, this.#options.style).split('\n'))
      this.#options.out(`   ${line}`);
  }

  /** Prints an instance's log. */
  log(rows: readonly WireRow[]): void {
    this.table(
      ['SEQ', 'TOKEN', 'REPLICA', 'KIND', 'CELL', 'ATTEMPT', 'DETAIL'],
      rows.map((row) => [
        row.seq,
        row.fencing_token,
        row.replica_id,
        row.kind,
        row.cell_id,
        row.attempt,
        cut(detailText(row), 60),
      ]),
    );
  }

  /** Records a problem unless `holds`. The demo goes on, and fails in the end. */
  check(holds: boolean, problem: string): void {
    if (!holds) this.problems.push(problem);
  }

  /** Starts an instance as agent-a. The cells are those whose effects the ledger will receive. */
  async start(
    instanceId: string,
    runbookId: string,
    inputName: string,
    cells: readonly string[],
  ): Promise<void> {
    const input = instanceId.replace(/^[a-z]+-/, '');
    const inputs = { [inputName]: input };
    const { version } = await this.agentA.start(instanceId, { runbookId, inputs });
    this.keys.push(...cells.map((cell) => `${instanceId}/${cell}/1`));
    this.say('agent-a', `starts ${instanceId} of runbook ${runbookId} v${version}`);
  }

  /** Polls until the condition holds. @throws Error after 15 s */
  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + UNTIL_TIMEOUT_MS;
    while (!(await condition())) {
      if (performance.now() > deadline)
        throw new Error(`waited ${UNTIL_TIMEOUT_MS / 1_000} s in vain until ${what}`);
      await sleep(POLL_MS);
    }
  }

  /** Prints each row that another replica than `replicaId` commits, with the time since now. */
  watchTakeover(instanceId: string, replicaId: string): TakeoverWatch {
    const startMs = performance.now();
    let seen = 0;
    let firstMs = Number.NaN;
    const unwatch = this.agentB.onEvent(instanceId, ({ rows }) => {
      for (const row of rows.filter((one) => one.replica_id !== replicaId)) {
        const afterMs = performance.now() - startMs;
        if (seen === 0) firstMs = afterMs;
        seen += 1;
        const actor = `+${(afterMs / 1_000).toFixed(1)} s`;
        this.say(actor, `token ${row.fencing_token}  ${rowText(row)}`);
      }
    });
    return {
      firstMs: () => firstMs,
      end: async (rows) => {
        // Events are sent once and may be lost; the log, printed afterwards, is complete.
        const isComplete = (): boolean => seen >= rows;
        for (let waits = 0; !isComplete() && waits < 40; waits += 1) await sleep(POLL_MS);
        unwatch();
      },
    };
  }
}

/** See {@link DemoRun.watchTakeover}. */
export interface TakeoverWatch {
  /** When the first row was seen, after the watch began. */
  firstMs: () => number;
  /** Ends the watch after this many rows, or after one second. */
  end: (rows: number) => Promise<void>;
}
