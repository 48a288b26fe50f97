import { describe, expect, it } from 'vitest';

import { TroubleLog } from '../../../src/trouble-log.ts';

function watched(options: { over?: string; level?: 'warn' | 'error' } = {}) {
  const lines: string[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs };
  const logger = { info: at('info'), warn: at('warn'), error: at('error') };
  return { lines, clock, trouble: new TroubleLog({ clock, logger, happens: 'down', ...options }) };
}

describe('a trouble that comes again and again', () => {
  it('is logged at once, then at growing intervals with how often it came', () => {
    const { lines, clock, trouble } = watched();
    for (; clock.nowMs < 80_000; clock.nowMs += 250) trouble.add('refused', { port: 1 });
    expect(lines).toEqual([
      'warn down {"port":1,"why":"refused"}',
      'warn down {"port":1,"why":"refused","times":21,"forMs":5000}',
      'warn down {"port":1,"why":"refused","times":61,"forMs":15000}',
      'warn down {"port":1,"why":"refused","times":141,"forMs":35000}',
      'warn down {"port":1,"why":"refused","times":301,"forMs":75000}',
    ]);
  });

  it('is logged whenever its reason is new, and two reasons in turn are not logged each time', () => {
    const { lines, clock, trouble } = watched();
    for (; clock.nowMs < 4_000; clock.nowMs += 250) {
      trouble.add(`refused at port ${1_000 + clock.nowMs}`);
      trouble.add('deadline exceeded');
    }
    expect(lines).toEqual([
      'warn down {"why":"refused at port 1000"}',
      'warn down {"why":"deadline exceeded","times":2,"forMs":0}',
    ]);
  });

  it('logs no more than a few reasons that differ each time', () => {
    const { lines, trouble } = watched();
    for (let n = 0; n < 100; n += 1) trouble.add(`reason ${'x'.repeat(n)}`);
    expect(lines).toHaveLength(8);
  });

  it('is logged once it is over, with how often it came and for how long', () => {
    const { lines, clock, trouble } = watched({ over: 'up again', level: 'error' });
    trouble.end();
    trouble.add('refused');
    clock.nowMs = 700;
    trouble.add('refused');
    clock.nowMs = 1_000;
    trouble.end();
    trouble.end();
    trouble.add('refused');
    expect(lines).toEqual([
      'error down {"why":"refused"}',
      'info up again {"times":2,"forMs":1000}',
      'error down {"why":"refused"}',
    ]);
  });
});
