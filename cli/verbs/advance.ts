import { randomUUID } from 'node:crypto';

import { refusal } from '../../src/agent/advance.ts';
import type { Agent } from '../../src/agent/agent.ts';
import type { LeaseholdError } from '../../src/agent/error.ts';
import type { Receipt } from '../../src/request/receipt.ts';
import { EXIT, exitCodeOfOutcome } from '../exit-code.ts';
import { countFlag, durationFlag, idFlag } from '../flags.ts';
import type { Terminal } from '../terminal.ts';
import { shared } from '../options.ts';
import { LiveLine } from '../render/live-line.ts';
import { receiptText } from '../render/receipt.ts';
import { rowText } from '../render/row.ts';
import { clean } from '../render/table.ts';
import { printJson, withAgent } from '../verb.ts';
import type { AddVerb } from '../verb.ts';

interface AdvanceFlags {
  cell?: string;
  maxCells?: number;
  wait?: boolean;
  requestId?: string;
  expiresIn?: number;
  timeout?: number;
}

/** `leasehold advance INSTANCE` */
export const addAdvance: AddVerb = (parent, register) => {
  const command = shared(parent.command('advance'), 'nats')
    .description('move an instance forward, and print the receipt')
    .argument('<instance>', 'which instance', idFlag)
    .option('--cell <id>', 'the cell that must be next; any other is refused', idFlag)
    .option('--max-cells <n>', 'run at most so many exec cells', countFlag)
    .option('--wait', 'queue behind a run that is under way')
    .option('--request-id <id>', 'ask again under an earlier id, which runs nothing twice', idFlag)
    .option('--expires-in <duration>', 'until when it may begin; default 30s', durationFlag)
    .option('--timeout <duration>', 'how long to wait for the receipt; default 5m', durationFlag);
  register(command, async (terminal, options, [instanceId = '']) => {
    const flags = options as AdvanceFlags;
    const requestId = flags.requestId ?? randomUUID();
    const finish = (receipt: Receipt): number => {
      if (options.json === true) printJson(terminal, receipt);
      else terminal.out(receiptText(receipt, terminal, Date.now()));
      return exitCodeOfOutcome(receipt.outcome);
    };
    try {
      return await withAgent(terminal, options, async (agent) => {
        const receipt = await watched(terminal, agent, instanceId, (signal) =>
          agent.advance(instanceId, {
            requestId,
            cellId: flags.cell,
            maxCells: flags.maxCells,
            wait: flags.wait,
            expiresInMs: flags.expiresIn,
            timeoutMs: flags.timeout,
            signal,
          }),
        );
        if (receipt !== 'interrupted') return finish(receipt);
        terminal.err('Stopped waiting; the run goes on. Ask again, which runs nothing twice:');
        terminal.err(`  leasehold advance ${instanceId} --request-id ${requestId}`);
        return EXIT.unavailable;
      });
    } catch (cause) {
      // Whoever asks for an advance gets a receipt, also where NATS cannot be reached.
      if (!(cause instanceof Error) || cause.name !== 'LeaseholdError') throw cause;
      const { code, message } = cause as LeaseholdError;
      if (code !== 'unavailable') throw cause;
      return finish(refusal(requestId, instanceId, 'unavailable', { code, message }));
    }
  });
};

/** Waits for the receipt; on a terminal, the rows are shown as they are committed. */
async function watched(
  terminal: Terminal,
  agent: Agent,
  instanceId: string,
  advance: (signal: AbortSignal) => Promise<Receipt>,
): Promise<Receipt | 'interrupted'> {
  const stop = new AbortController();
  const restore = terminal.onInterrupt(() => stop.abort());
  const line = new LiveLine(terminal, `advancing ${instanceId}`);
  try {
    if (terminal.liveIsTty) {
      agent.watch(
        instanceId,
        ({ rows }) => {
          for (const row of rows) {
            line.above(rowText(row));
            line.set(
              row.kind === 'started'
                ? `running ${clean(row.cell_id)} of ${instanceId}`
                : `advancing ${instanceId}`,
            );
          }
        },
        { signal: stop.signal },
      );
    }
    const receipt = await advance(stop.signal);
    return stop.signal.aborted ? 'interrupted' : receipt;
  } finally {
    restore();
    line.stop();
    stop.abort();
  }
}
