import type { DefineVerb } from './verb.ts';

/** A verb as the overview in `leasehold --help` lists it. */
export interface VerbEntry {
  readonly name: string;
  readonly summary: string;
  /** Imports its definition. */
  readonly load: () => Promise<DefineVerb>;
}

/** The verbs under their headings, in the order of the help. */
export const VERB_GROUPS: readonly (readonly [heading: string, verbs: readonly VerbEntry[]])[] = [
  [
    'Run:',
    [
      {
        name: 'dev',
        summary: 'run servers, replicas and examples on this machine',
        load: async () => (await import('./verbs/dev.ts')).dev,
      },
      {
        name: 'start',
        summary: 'start an instance of a runbook',
        load: async () => (await import('./verbs/start.ts')).start,
      },
      {
        name: 'advance',
        summary: "run an instance's next cells, and print the receipt",
        load: async () => (await import('./verbs/advance.ts')).advance,
      },
      {
        name: 'enqueue',
        summary: 'store a request to advance, which is served whatever happens',
        load: async () => (await import('./verbs/enqueue.ts')).enqueue,
      },
      {
        name: 'claim',
        summary: 'set the status of a claim, which await cells wait for',
        load: async () => (await import('./verbs/claim.ts')).claim,
      },
      {
        name: 'decide',
        summary: 'resolve an attempt in doubt, or a cell that halted its instance',
        load: async () => (await import('./verbs/decide.ts')).decide,
      },
      {
        name: 'schedule',
        summary: 'start instances at set times: put, list, show, pause, resume or delete schedules',
        load: async () => (await import('./verbs/schedule.ts')).schedule,
      },
      {
        name: 'cancel',
        summary: 'cancel an instance, and undo what it has done if asked to',
        load: async () => (await import('./verbs/cancel.ts')).cancel,
      },
    ],
  ],
  [
    'Inspect:',
    [
      {
        name: 'status',
        summary: 'show an instance, its cells and its holder',
        load: async () => (await import('./verbs/status.ts')).status,
      },
      {
        name: 'show',
        summary: 'show an instance as a page: its runbook and what became of it',
        load: async () => (await import('./verbs/show.ts')).show,
      },
      {
        name: 'list',
        summary: 'list instances',
        load: async () => (await import('./verbs/list.ts')).list,
      },
      {
        name: 'requests',
        summary: 'list recorded requests, and enqueued ones that cannot be served',
        load: async () => (await import('./verbs/requests.ts')).requests,
      },
      {
        name: 'watch',
        summary: 'print rows as they are committed',
        load: async () => (await import('./verbs/watch.ts')).watch,
      },
      {
        name: 'claims',
        summary: 'list claims, or show who has made one and who waits for it',
        load: async () => (await import('./verbs/claims.ts')).claims,
      },
      {
        name: 'leases',
        summary: 'list leases: which replica holds which instance',
        load: async () => (await import('./verbs/leases.ts')).leases,
      },
      {
        name: 'replicas',
        summary: 'list live replicas',
        load: async () => (await import('./verbs/replicas.ts')).replicas,
      },
    ],
  ],
  [
    'Runbooks:',
    [
      {
        name: 'runbook',
        summary: 'push, list, show, compare or lint runbooks',
        load: async () => (await import('./verbs/runbook.ts')).runbook,
      },
    ],
  ],
  [
    'Operate:',
    [
      {
        name: 'advancer',
        summary: 'run one replica',
        load: async () => (await import('./verbs/advancer.ts')).advancer,
      },
      {
        name: 'migrate',
        summary: 'create or upgrade the database schema',
        load: async () => (await import('./verbs/migrate.ts')).migrate,
      },
      {
        name: 'secrets',
        summary: 'show or rotate the secret that the replicas share',
        load: async () => (await import('./verbs/secrets.ts')).secrets,
      },
    ],
  ],
  [
    'Verify:',
    [
      {
        name: 'audit',
        summary: 'verify a log against the guarantees',
        load: async () => (await import('./verbs/audit.ts')).audit,
      },
      {
        name: 'chaos',
        summary: 'inject faults and check that the guarantees hold',
        load: async () => (await import('./verbs/chaos.ts')).chaos,
      },
      {
        name: 'bench',
        summary: 'measure throughput, latency and failover time',
        load: async () => (await import('./verbs/bench.ts')).bench,
      },
    ],
  ],
];
