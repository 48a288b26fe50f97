import { describe, expect, it } from 'vitest';

import {
  FAILPOINTS,
  InjectedError,
  parseFailpoints,
  type Failpoint,
  type FailpointActions,
} from '../../../advancer/failpoints.ts';

interface Recorded extends FailpointActions {
  done: string[];
  reports: Record<string, unknown>[];
}

function acts(): Recorded {
  const done: string[] = [];
  const reports: Record<string, unknown>[] = [];
  return {
    done,
    reports,
    report: (line) => void reports.push(JSON.parse(line) as Record<string, unknown>),
    kill: () => void done.push('kill'),
    freeze: () => void done.push('freeze'),
    exit: () => void done.push('exit'),
    sleep: (ms) => {
      done.push(`sleep ${ms}`);
      return Promise.resolve();
    },
  };
}

function parsed(text: string, on: FailpointActions = acts()): Failpoint {
  const failpoint = parseFailpoints(text, 'a', on);
  if (failpoint === undefined) throw new Error('nothing was set');
  return failpoint;
}

const place = { instanceId: 'i', requestId: 'q', cellId: 'charge', attempt: 1 };

describe('a failpoint', () => {
  it.each(['', ' ', ';', ' ; '])('is undefined when none is set: %j', (text) => {
    expect(parseFailpoints(text, 'a', acts())).toBeUndefined();
  });

  it('reports where it was reached before it acts, since the process may be gone a moment later', async () => {
    const on = acts();
    on.freeze = () => void on.done.push(`freeze after ${on.reports.length} reports`);
    await parsed('after_intent=freeze@cell:charge,nth:1', on)('after_intent', place);
    expect(on.reports).toEqual([
      { failpoint: 'after_intent', action: 'freeze', replica: 'a', ...place },
    ]);
    expect(on.done).toEqual(['freeze after 1 reports']);
  });

  it.each(FAILPOINTS)('%s is met only at its own point', async (point) => {
    const on = acts();
    const failpoint = parsed(`${point}=delay:5`, on);
    for (const other of FAILPOINTS) await failpoint(other, place);
    expect(on.reports.map((report) => report['failpoint'])).toEqual([point]);
    expect(on.done).toEqual(['sleep 5']);
  });

  it.each(['kill', 'exit'] as const)(
    '%s never goes on: nothing after the point may run',
    async (action) => {
      const on = acts();
      const failpoint = parsed(`in_effect=${action}`, on);
      const went = await Promise.race([
        failpoint('in_effect', place).then(() => 'went on'),
        new Promise((resolve) => setImmediate(() => resolve('stands'))),
      ]);
      expect(went).toBe('stands');
      expect(on.done).toEqual([action]);
    },
  );

  it('error throws an error that names the failpoint', async () => {
    const failing = parsed('before_intent=error@cell:charge')('before_intent', place);
    await expect(failing).rejects.toThrow(InjectedError);
    await expect(failing).rejects.toThrow('before_intent=error@cell:charge');
  });

  it('acts only if every condition holds', async () => {
    const on = acts();
    const failpoint = parsed('after_effect=delay:1@cell:charge,instance:i,request:q,replica:a', on);
    await failpoint('after_effect', { ...place, cellId: 'other' });
    await failpoint('after_effect', { ...place, instanceId: 'j' });
    await failpoint('after_effect', { ...place, requestId: null });
    await failpoint('after_effect', { instanceId: 'i' });
    expect(on.reports).toEqual([]);
    await failpoint('after_effect', place);
    expect(on.reports).toHaveLength(1);
  });

  it('of another replica does nothing', async () => {
    const on = acts();
    await parsed('after_effect=freeze@replica:b', on)('after_effect', place);
    expect(on.reports).toEqual([]);
  });

  it('nth counts only the times that the other conditions held', async () => {
    const on = acts();
    const failpoint = parsed('after_effect=freeze@cell:charge,nth:2', on);
    await failpoint('after_effect', { ...place, cellId: 'other' });
    await failpoint('after_effect', place);
    expect(on.done).toEqual([]);
    await failpoint('after_effect', { ...place, attempt: 2 });
    await failpoint('after_effect', { ...place, attempt: 3 });
    expect(on.reports.map((report) => report['attempt'])).toEqual([2]);
  });

  it('several are joined by semicolons, and each counts separately', async () => {
    const on = acts();
    const failpoint = parsed(
      'after_intent=delay:1@nth:1; after_intent=delay:2@nth:2 ;in_effect=freeze',
      on,
    );
    await failpoint('after_intent', place);
    await failpoint('after_intent', place);
    await failpoint('in_effect', place);
    expect(on.done).toEqual(['sleep 1', 'sleep 2', 'freeze']);
  });
});

describe('a text that cannot be read', () => {
  it.each([
    ['nonsense', '"nonsense" is not point=action@condition:value'],
    ['=kill', '"=kill" is not point=action'],
    ['in_effect=', '"in_effect=" is not point=action'],
    ['in_effect=kill@', '"in_effect=kill@" is not point=action'],
    [
      'in_affect=kill',
      '"in_affect=kill" names an unknown point; the points are on_admission, before_intent',
    ],
    [
      'in_effect=explode',
      '"in_effect=explode" has the unknown action explode; the actions are kill, exit, freeze',
    ],
    ['in_effect=delay', '"in_effect=delay" needs milliseconds: delay:<ms>'],
    ['in_effect=kill:9', '"in_effect=kill:9" gives kill an argument; only delay takes one'],
    [
      'in_effect=kill@colour:red',
      'has the unknown condition colour; the conditions are cell, instance, request',
    ],
    ['in_effect=kill@cell', 'has a condition without a value: cell'],
    ['in_effect=kill@cell:', 'has a condition without a value: cell:'],
    ['in_effect=kill@nth:0', 'needs nth to be a whole number from 1'],
    ['in_effect=kill@nth:two', 'needs nth to be a whole number from 1'],
  ])('%s: the error names the variable, the part and what is allowed', (text, message) => {
    const read = (): unknown => parseFailpoints(`after_intent=freeze;${text}`, 'a', acts());
    expect(read).toThrow('LEASEHOLD_FAILPOINTS: ');
    expect(read).toThrow(message);
  });
});
