import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { LedgerClient } from '../../cli/dev/ledger-client.ts';

const LEDGER = fileURLToPath(new URL('../../examples/ledger/ledger.mjs', import.meta.url));

/** The examples' ledger as a process, which records every effect and never deduplicates. */
export interface ExampleLedger {
  readonly url: string;
  readonly client: LedgerClient;
  /** The headers of the calls that it received with this idempotency key. */
  headersOf(key: string): Promise<Record<string, string>[]>;
  stop(): Promise<void>;
}

/** Starts it on a free port. */
export async function startExampleLedger(): Promise<ExampleLedger> {
  const child = spawn(process.execPath, [LEDGER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const { url } = JSON.parse(line) as { url: string };
  return {
    url,
    client: new LedgerClient(url),
    async headersOf(key) {
      const response = await fetch(`${url}/effects?key=${encodeURIComponent(key)}`);
      const { effects } = (await response.json()) as {
        effects: { headers: Record<string, string> }[];
      };
      return effects.map(({ headers }) => headers);
    },
    async stop() {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}
