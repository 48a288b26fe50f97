import { describe, expect, it } from 'vitest';

import { shippedFunctions, sqlFunction } from '../../../../advancer/log/function-files.ts';
import { labelOf, migration, shippedMigrations } from '../../../../advancer/log/migration-files.ts';

describe('migrations', () => {
  it('are numbered from 1 on', () => {
    const labels = shippedMigrations().map(labelOf);
    expect(labels).toEqual([
      '0001_tables',
      '0002_append_only',
      '0003_guard',
      '0004_projection',
      '0005_late_unverified',
      '0006_numbers',
      '0007_runbook_head',
      '0008_origins',
      '0009_own_word',
      '0010_due_work',
      '0011_transaction_ids',
      '0012_schedules',
      '0013_request_agents',
    ]);
  });

  it('have the same checksum whatever their line endings', () => {
    expect(migration(1, 'x', 'select 1;\r\n').checksum).toBe(
      migration(1, 'x', 'select 1;\n').checksum,
    );
  });

  it('name the functions that they require', () => {
    expect(migration(1, 'x', '-- requires: one, other\nselect 1;').requires).toEqual([
      'one',
      'other',
    ]);
    expect(migration(1, 'x', 'select 1; -- requires: one').requires).toEqual([]);
  });

  it('leave functions to their own files, all but the first', () => {
    const creators = shippedMigrations().filter(({ sql }) =>
      /^create .*\bfunction leasehold/m.test(sql),
    );
    expect(creators.map(labelOf)).toEqual(['0001_tables']);
  });
});

describe('functions', () => {
  const text = 'create or replace function leasehold.one() returns int language sql return 1;\n';

  it('are shipped, one in each file', () => {
    const names = shippedFunctions().map((one) => `${one.schema}.${one.name}`);
    expect(names).toContain('leasehold.guard_executions');
    expect(names).toContain('leasehold_projection.put_lines');
  });

  it('are read with their schema', () => {
    expect(sqlFunction('one', `-- Why.\n${text}`)).toMatchObject({
      schema: 'leasehold',
      name: 'one',
    });
  });

  it.each([
    ['another name', 'other', text],
    ['a second statement', 'one', `${text}create table leasehold.x (y int);\n`],
    ['no `or replace`', 'one', text.replace(' or replace', '')],
    ['nothing', 'one', '-- Later.\n'],
  ])('are refused with %s', (_, name, wrong) => {
    expect(() => sqlFunction(name, wrong)).toThrow(/must create or replace the function/);
  });
});
