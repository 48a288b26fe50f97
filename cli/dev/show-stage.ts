import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { Agent } from '../../src/agent/agent.ts';
import { readAgentConfig } from '../../src/config/config.ts';
import type { WireRow } from '../../src/execution/row.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import type { DevStack } from './stack.ts';
import { detailText, rowText } from '../render/row.ts';
import { brief, clean, table } from '../render/table.ts';
import type { Style } from '../render/table.ts';
import { ShowLedger } from './show-ledger.ts';

/** Where the show's lines go and how long its leases live. */
export interface ShowOptions {
  out: (line: string) => void;
  style: Style;
  leaseTtlS: number;
  /** Breaks it off. */
  stop: AbortSignal;
}

/** What the scenes play on: two agents, the ledger, and the screen. */
export class Stage {
  readonly dev: DevStack;
  readonly leaseTtlS: number;
  readonly agentA: Agent;
  readonly agentB: Agent;
  readonly ledger: ShowLedger;
  /** Sets this run's instances apart from those of earlier ones, where the servers were given. */
  readonly run = randomBytes(2).toString('hex');
  /** What was not as it should be. */
  readonly faults: string[] = [];
  /** Idempotency keys of all effects that the scenes cause. */
  readonly keys: string[] = [];
  readonly #options: ShowOptions;
  #scenes = 0;

  private constructor(dev: DevStack, options: ShowOptions, agentA: Agent, agentB: Agent) {
    this.dev = dev;
    this.leaseTtlS = options.leaseTtlS;
    this.agentA = agentA;
    this.agentB = agentB;
    this.ledger = new ShowLedger(dev.ledgerUrl);
    this.#options = options;
  }

  static async open(dev: DevStack, options: ShowOptions): Promise<Stage> {
    const { namespace, nats } = readAgentConfig(dev.env);
    const connect = (agentId: string): Promise<Agent> =>
      Agent.connect({ agentId, namespace, ...nats });
    return new Stage(dev, options, await connect('agent-a'), await connect('agent-b'));
  }

  async close(): Promise<void> {
    await Promise.all([this.agentA.close(), this.agentB.close()]);
  }

  /** Opens a scene. @throws the reason why the show was broken off */
  scene(title: string): void {
    this.#options.stop.throwIfAborted();
    this.#scenes += 1;
    const text = `${this.#scenes}. ${title}`;
    this.#options.out('');
    this.#options.out(this.#options.style.color ? `\u001b[1m${text}\u001b[0m` : text);
  }

  /** One line: who, and what they did or saw. */
  say(who: string, text: string): void {
    if (!this.#options.stop.aborted) this.#options.out(`   ${who.padEnd(8)}  ${clean(text)}`);
  }

  table(head: string[], rows: (string | number | null | undefined)[][]): void {
    for (const line of table(head, rows, this.#options.style).split('\n'))
      this.#options.out(`   ${line}`);
  }

  /** The whole log of an instance. */
  log(rows: readonly WireRow[]): void {
    this.table(
      ['SEQ', 'TOKEN', 'REPLICA', 'WHAT', 'CELL', 'ATTEMPT', 'DETAIL'],
      rows.map((row) => [
        row.seq,
        row.fencing_token,
        row.replica_id,
        row.kind,
        row.cell_id,
        row.attempt,
        brief(detailText(row), 60)
          .replaceAll(/^"|"$/g, '')
          .replaceAll(String.raw`\"`, '"'),
      ]),
    );
  }

  /** Keeps what is not as it should be; the show goes on, and fails in the end. */
  check(holds: boolean, otherwise: string): void {
    if (!holds) this.faults.push(otherwise);
  }

  /** Starts an instance, as agent-a, and keeps the keys of the effects that it will have. */
  async start(
    instanceId: string,
    runbookId: string,
    input: string,
    cells: string[],
  ): Promise<void> {
    const inputs = { ledger: this.dev.ledgerUrl, [input]: instanceId.replace(/^[a-z]+-/, '') };
    const { version } = await this.agentA.start(instanceId, { runbookId, inputs });
    this.keys.push(...cells.map((cell) => `${instanceId}/${cell}/1`));
    this.say('agent-a', `starts ${instanceId} of runbook ${runbookId} v${version}`);
  }

  /** Waits until something is so. */
  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + 15_000;
    while (!(await isSo())) {
      if (performance.now() > deadline) throw new Error(`waited 15 s in vain until ${what}`);
      await sleep(25);
    }
  }

  /** From now on shows each row that others than `replicaId` write, and how long after. */
  follow(instanceId: string, replicaId: string): Following {
    const sinceMs = performance.now();
    let seen = 0;
    let firstMs = Number.NaN;
    const unwatch = this.agentB.watch(instanceId, ({ rows }) => {
      for (const row of rows.filter((one) => one.replica_id !== replicaId)) {
        const afterMs = performance.now() - sinceMs;
        if (seen === 0) firstMs = afterMs;
        seen += 1;
        this.say(
          `+${(afterMs / 1_000).toFixed(1)} s`,
          `token ${row.fencing_token}  ${rowText(row)}`,
        );
      }
    });
    return {
      firstMs: () => firstMs,
      settled: async (rows) => {
        // Events are told once and may be lost; the log, shown afterwards, is the truth.
        const enough = (): boolean => seen >= rows;
        for (let waits = 0; !enough() && waits < 40; waits += 1) await sleep(25);
        unwatch();
      },
    };
  }
}

/** What {@link Stage.follow} sees. */
export interface Following {
  /** When the first of the rows came. */
  firstMs: () => number;
  /** Waits until so many rows were shown, or for a second, and ends. */
  settled: (rows: number) => Promise<void>;
}

/**
 * A receipt in a line: the outcome, the cells whose rows were written for it, and why it went no
 * further.
 */
export function receiptLine(receipt: Receipt): string {
  const { outcome, steps, holder, awaiting, inFlight, inDoubt, error } = receipt;
  const through = new Set(
    steps
      .filter(({ kind }) => kind === 'completed' || kind === 'satisfied')
      .map(({ cellId }) => cellId),
  );
  const tried = new Set(steps.map(({ cellId }) => cellId).filter((cellId) => !through.has(cellId)));
  const on = holder === null ? '' : ` on ${holder.replicaId}`;
  const why = [
    steps.length === 0 && 'ran nothing',
    through.size > 0 && `went through ${[...through].join(', ')}`,
    tried.size > 0 && `tried ${[...tried].join(', ')}`,
    awaiting && `waits for claim ${awaiting.claimId} to be ${awaiting.statuses.join(' or ')}`,
    inFlight && `attempt ${inFlight.attempt} of ${inFlight.cellId} is under way${on}`,
    inDoubt &&
      `nobody knows what attempt ${inDoubt.attempt} of ${inDoubt.cellId} did (${inDoubt.reason})`,
    error?.message,
  ];
  return `${outcome}: ${why.filter(Boolean).join('; ')}`;
}
