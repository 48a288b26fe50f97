import { randomUUID } from 'node:crypto';

import type { Agent } from '../../src/agent/agent.ts';
import type { LeaseholdError } from '../../src/agent/error.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { EXIT, exitCodeOfOutcome } from '../exit-code.ts';
import { countFlag, durationFlag, idFlag } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { Terminal } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

interface AdvanceOptions {
  cell?: string;
  maxCells?: number;
  wait?: boolean;
  requestId?: string;
  expiresIn?: number;
  timeout?: number;
}

/** `leasehold advance INSTANCE` */
export const advance: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description(
      'Advance an instance: run its next cells until it completes or has to stop, and print the ' +
        'receipt.',
    )
    .argument('<instance>', 'instance to advance', idFlag)
    .option('--cell <id>', 'refuse to run unless this cell is next', idFlag)
    .option('--max-cells <n>', 'run at most this many exec cells', countFlag)
    .option('--wait', 'if a request is already running, wait for it and then run')
    .option('--request-id <id>', 'repeat an earlier request; nothing runs twice', idFlag)
    .option('--expires-in <duration>', 'do not begin later than this (default: 30s)', durationFlag)
    .option('--timeout <duration>', 'how long to wait for the receipt (default: 5m)', durationFlag);
  register<AdvanceOptions>(command, async (terminal, options, [instanceId = '']) => {
    const { cell, maxCells, wait, requestId = randomUUID(), expiresIn, timeout } = options;
    const finish = async (receipt: Receipt): Promise<number> => {
      if (options.json === true) printJson(terminal, receipt);
      else {
        const { receiptText } = await import('../render/receipt.ts');
        terminal.out(receiptText(receipt, terminal, Date.now()));
      }
      return exitCodeOfOutcome(receipt.outcome);
    };
    try {
      return await withAgent(terminal, options, async (agent) => {
        const receipt = await showRowsUntil(terminal, agent, instanceId, (signal) =>
          agent.advance(instanceId, {
            requestId,
            cellId: cell,
            maxCells,
            wait,
            expiresInMs: expiresIn,
            timeoutMs: timeout,
            signal,
          }),
        );
        if (receipt !== 'interrupted') return finish(receipt);
        terminal.err('Stopped waiting; the run goes on. To get its receipt, repeat the request:');
        const { suggestion } = await import('../../src/shell-quote.ts');
        terminal.err(`  ${suggestion('advance', [instanceId], ['--request-id', requestId])}`);
        return EXIT.unavailable;
      });
    } catch (cause) {
      // An advance is always answered with a receipt, even where NATS cannot be reached.
      if (!(cause instanceof Error) || cause.name !== 'LeaseholdError') throw cause;
      const { code, message } = cause as LeaseholdError;
      if (code !== 'unavailable') throw cause;
      const { refusal } = await import('../../src/agent/receipt-of-reply.ts');
      return finish(refusal(requestId, instanceId, 'unavailable', { code, message }));
    }
  });
};

/** Waits for the receipt. On a terminal, prints each row as it is committed. */
async function showRowsUntil(
  terminal: Terminal,
  agent: Agent,
  instanceId: string,
  receiptOf: (signal: AbortSignal) => Promise<Receipt>,
): Promise<Receipt | 'interrupted'> {
  const stop = new AbortController();
  const restore = terminal.onInterrupt(() => stop.abort());
  const unwatch = terminal.liveIsTty
    ? await showRows(terminal, agent, instanceId, stop.signal)
    : undefined;
  try {
    const receipt = await receiptOf(stop.signal);
    return stop.signal.aborted ? 'interrupted' : receipt;
  } finally {
    restore();
    unwatch?.();
    stop.abort();
  }
}

async function showRows(
  terminal: Terminal,
  agent: Agent,
  instanceId: string,
  signal: AbortSignal,
): Promise<() => void> {
  const [{ LiveLine }, { rowText }, { clean }] = await Promise.all([
    import('../render/live-line.ts'),
    import('../render/row.ts'),
    import('../render/table.ts'),
  ]);
  const line = new LiveLine(terminal, `advancing ${instanceId}`);
  agent.onEvent(
    instanceId,
    ({ rows }) => {
      for (const row of rows) {
        line.set(
          row.kind === 'started'
            ? `running ${clean(row.cell_id)} of ${instanceId}`
            : `advancing ${instanceId}`,
        );
        line.above(rowText(row));
      }
    },
    { signal },
  );
  return () => line.stop();
}
