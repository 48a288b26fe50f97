import { readdirSync, readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

import { expect, type TestContext } from 'vitest';

/*
 * A bound of the product, such as "a replica that gets SIGTERM exits within 10 s", holds on a
 * machine that has CPU time to give. A test that checks one measures that first:
 *
 *     const machine = await watchMachine();
 *     … everything else that the test shows, which must hold on any machine …
 *     machine.skipIfBusy(context);
 *     expect(tookMs).toBeLessThan(10_000);
 *
 * On a busy machine the test is reported as skipped, by name, with the load that was seen; it still
 * fails if what comes before the bound does. Use it for bounds of the product only. A deadline that
 * belongs to a test is raised instead, until the test passes on any machine.
 */

/** How long the machine is watched before the test goes on. */
const WINDOW_MS = 500;
/**
 * The machine is busy when programs that are not part of this run take this share of its CPU time.
 * Two that spin on two cores take nearly all of it while a test begins, and half while it works; a
 * quiet machine's own housekeeping takes a few hundredths.
 */
const BUSY_SHARE = 0.25;

/** CPU time that has passed since the machine was started, in clock ticks of all cores together. */
export interface CpuTimes {
  /** Idle time included. */
  readonly total: number;
  /** Spent by any program or the kernel, or taken by other virtual machines. */
  readonly busy: number;
  /** Spent by this run: vitest and every process below it. */
  readonly ours: number;
}

/** How busy the machine is with other work, from before a test until it checks its bound. */
export interface MachineWatch {
  /** Reports the test as skipped, with the load, if other programs took much of the CPU time. */
  skipIfBusy(context: Pick<TestContext, 'skip'>): void;
  /**
   * Expects that nothing was answered with `unavailable`, which replicas and servers that get CPU
   * time in time do not give; on a busy machine a test with such an answer is reported as skipped.
   */
  expectNone(refused: readonly object[], context: Pick<TestContext, 'skip'>): void;
}

/**
 * Sends a request, and sends it again, as the protocol says, while it is answered with
 * `unavailable`. Those answers are added to `refused`, for {@link MachineWatch.expectNone}.
 */
export async function untilAvailable<Reply extends { outcome: string }>(
  send: () => Promise<Reply>,
  refused: Reply[],
): Promise<Reply> {
  for (;;) {
    const reply = await send();
    if (reply.outcome !== 'unavailable') return reply;
    refused.push(reply);
  }
}

/** Watches what other programs take of the machine, beginning with a moment before the test. */
export async function watchMachine(): Promise<MachineWatch> {
  const first = readCpuTimes();
  await sleep(WINDOW_MS);
  const begun = readCpuTimes();
  const before = shareOfOthers(first, begun);
  const watch: MachineWatch = {
    skipIfBusy(context) {
      const during = shareOfOthers(begun, readCpuTimes());
      if (Math.max(before, during) < BUSY_SHARE) return;
      context.skip(
        `busy machine: other programs took ${percent(before)} of the CPU time before the test, ` +
          `${percent(during)} during it; load average ${loadavg()[0]?.toFixed(1)}`,
      );
    },
    expectNone(refused, context) {
      if (refused.length > 0) watch.skipIfBusy(context);
      expect(refused).toEqual([]);
    },
  };
  return watch;
}

/** The part of the CPU time between two readings that this run did not spend, from 0 to 1. */
export function shareOfOthers(from: CpuTimes, to: CpuTimes): number {
  const total = to.total - from.total;
  if (total <= 0) return 0;
  const others = to.busy - from.busy - (to.ours - from.ours);
  return Math.min(1, Math.max(0, others / total));
}

/** All zero where there is no `/proc`: such a machine never counts as busy. */
function readCpuTimes(): CpuTimes {
  try {
    const { total, busy } = parseMachine(readFileSync('/proc/stat', 'utf8'));
    // Vitest's main process is the parent of the one that runs a test file.
    return { total, busy, ours: timeBelow(process.ppid, readProcesses()) };
  } catch {
    return { total: 0, busy: 0, ours: 0 };
  }
}

/** Reads the first line of `/proc/stat`, proc_stat(5). Time of guests is in user time already. */
export function parseMachine(text: string): Pick<CpuTimes, 'total' | 'busy'> {
  const [user = 0, nice = 0, system = 0, idle = 0, ioWait = 0, irq = 0, softIrq = 0, steal = 0] = (
    text.split('\n')[0] ?? ''
  )
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  const busy = user + nice + system + irq + softIrq + steal;
  return { total: busy + idle + ioWait, busy };
}

/** A process as `/proc/<pid>/stat` has it. */
export interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  /** Its own time and that of children that have ended and were waited for. */
  readonly ticks: number;
}

/** Reads `/proc/<pid>/stat`, proc_pid_stat(5). The name, in brackets, may contain anything. */
export function parseProcess(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [parent = 0, ...ticks] = [1, 11, 12, 13, 14].map((index) => Number(fields[index]));
  return {
    pid: Number.parseInt(text, 10),
    parent,
    ticks: ticks.reduce((sum, some) => sum + some, 0),
  };
}

/** The time of a process and of all below it. */
export function timeBelow(root: number, processes: readonly ProcessTimes[]): number {
  const children = byParent(processes);
  let ticks = processes.find(({ pid }) => pid === root)?.ticks ?? 0;
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    for (const child of children.get(pid) ?? []) {
      ticks += child.ticks;
      open.push(child.pid);
    }
  }
  return ticks;
}

function byParent(processes: readonly ProcessTimes[]): Map<number, ProcessTimes[]> {
  const children = new Map<number, ProcessTimes[]>();
  for (const one of processes) {
    children.set(one.parent, [...(children.get(one.parent) ?? []), one]);
  }
  return children;
}

function readProcesses(): ProcessTimes[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [parseProcess(readFileSync(`/proc/${pid}/stat`, 'utf8'))];
      } catch {
        // It has ended since the folder was read.
        return [];
      }
    });
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
