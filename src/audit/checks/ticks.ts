import type { Check } from '../check.ts';

/** Guarantee 5: the instances that ticks of schedules have started. */
export const TICKS: readonly Check[] = [
  {
    name: 'instance-of-its-tick',
    guarantee: 5,
    severity: 'breach',
    states:
      'an instance that says that a tick of a schedule started it is the one that this tick says it started',
    of: 'instances of schedules',
    needs: ['tick origin'],
    look({ evidence: { tickOrigin, parent } }, report) {
      if (tickOrigin === undefined || tickOrigin === null) return 0;
      const { scheduleId, tick, isStarted } = tickOrigin;
      const named = `tick ${tick ?? '(none)'} of schedule ${scheduleId ?? '(none)'}`;
      if (!isStarted) report([], `${named} does not say that it started it`);
      if (parent !== undefined && parent !== null)
        report([], `it says that both ${named} and ${parent.instanceId} started it`);
      return 1;
    },
  },
];
