/*
 * Both ends of a worker process: the child reads one job at a time from Node's IPC channel, sends
 * back its result, and takes the next. A channel rather than pipes, because the child exits when
 * the channel closes: however the parent dies, no worker outlives it.
 */

/** What a worker sends back: the result, or why there is none. */
export type JobResult = { ok: true; result: unknown } | { ok: false; message: string };

/** The jobs that a worker does, by name: the input and the result of each. */
export type JobTable = Record<string, (input: never) => Promise<unknown>>;

/** One job as it is sent. */
export interface Job {
  name: string;
  input: unknown;
}

/** Does jobs one after another, until the parent's end of the channel closes. */
export function serveJobs(jobs: JobTable): void {
  let tail: Promise<unknown> = Promise.resolve();
  process.on('message', (job: Job) => {
    tail = tail.then(async () => {
      process.send?.(await run(jobs, job));
    });
  });
  process.on('disconnect', () => process.exit(0));
}

async function run(jobs: JobTable, { name, input }: Job): Promise<JobResult> {
  try {
    const job = jobs[name];
    if (job === undefined) throw new Error(`unknown job ${name}`);
    return { ok: true, result: await job(input as never) };
  } catch (error) {
    return {
      ok: false,
      message: error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error),
    };
  }
}
