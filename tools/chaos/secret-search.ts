import type { Bus } from '../../src/bus/bus.ts';
import { connectBus } from '../../src/bus/nats.ts';
import type { BreachRecord, ChaosRecord, CheckResult } from './record.ts';
import { renderReport } from './report/report.ts';
import { SecretHunt } from './secret-hunt.ts';
import { SECRET_RUNBOOK } from './secret-runbook.ts';
import type { SystemUnderTest } from './system-under-test.ts';
import type { Workload } from './workload.ts';

const CHECK = { name: 'secret-nowhere', guarantee: 6 } as const;
/** Breaches name at most this many of the places where it was found. */
const SHOWN = 100;

/**
 * The search for the secret that effects of the run print on purpose: on the bus meanwhile, in what
 * replicas serve, in every table and key and log at the end, and in the record and its report.
 */
export class SecretSearch {
  readonly #system: SystemUnderTest;
  readonly #hunt: SecretHunt | undefined;
  #bus: Bus | undefined;

  /** @param system whose replicas have the secret; if they have none, nothing is searched */
  constructor(system: SystemUnderTest) {
    this.#system = system;
    this.#hunt = system.secret === undefined ? undefined : new SecretHunt(system.secret);
  }

  /** Listens on the bus from now on. */
  async begin(): Promise<void> {
    const hunt = this.#hunt;
    if (hunt === undefined) return;
    const { natsUrls, namespace } = this.#system;
    const bus = await connectBus({ servers: [...natsUrls], name: 'chaos secret search' });
    this.#bus = bus;
    hunt.listen((subject, hear) => bus.subscribe(subject, hear), namespace);
  }

  /** Looks at what the replicas serve, before they end. */
  async lookAtReplicas(): Promise<void> {
    if (this.#hunt !== undefined) await this.#system.searchReplicas(this.#hunt);
  }

  /** Looks at what they have left. */
  async lookAtRemains(): Promise<void> {
    await this.end();
    if (this.#hunt !== undefined) await this.#system.searchRemains(this.#hunt);
  }

  /** Stops listening. */
  async end(): Promise<void> {
    await this.#bus?.close();
  }

  /** The record with what was found, also in the record itself and in its report. */
  judge(record: ChaosRecord, { instances }: Workload): ChaosRecord {
    const printing = [...instances.all.values()].filter(
      ({ started, runbook }) => started && runbook.document.runbook === SECRET_RUNBOOK,
    );
    const hunt = this.#hunt;
    if (hunt === undefined || printing.length === 0) {
      const why =
        hunt === undefined
          ? 'the replicas of a stack that runs already do not have the secret'
          : 'no instance that prints the secret was started';
      return {
        ...record,
        checks: [...record.checks, { ...CHECK, checked: null, breaches: 0, why }],
      };
    }
    hunt.look('the record', JSON.stringify(record));
    hunt.look('the report', renderReport(record));
    const check: CheckResult = {
      ...CHECK,
      checked: printing.length,
      breaches: hunt.finds.length,
      looked: { at: 'characters', count: hunt.characters },
    };
    const checks = [...record.checks, check];
    const searched = Object.fromEntries(hunt.searched);
    if (hunt.finds.length === 0) return { ...record, searched, checks };
    const breaches = [...record.breaches, ...breachesOf(hunt)];
    return { ...record, searched, checks, breaches, verdict: 'breached' };
  }
}

/** One for each place and form, with how often it was found there. */
function breachesOf({ finds }: SecretHunt): BreachRecord[] {
  const counts = new Map<string, number>();
  for (const { where, form } of finds) {
    const what = `${where} has the secret that effects print (${form})`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  return [...counts].slice(0, SHOWN).map(([what, count]) => ({
    check: CHECK.name,
    guarantee: CHECK.guarantee,
    instanceId: '-',
    seqs: [],
    what: count === 1 ? what : `${what}, ${count} times`,
  }));
}
