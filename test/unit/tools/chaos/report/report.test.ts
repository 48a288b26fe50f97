import { createHash } from 'node:crypto';
import { Script } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { ChaosRecord } from '../../../../../tools/chaos/record.ts';
import { renderReport } from '../../../../../tools/chaos/report/report.ts';
import { SCRIPT } from '../../../../../tools/chaos/report/script.ts';
import { outline } from '../../page/outline.ts';
import { breachedRecord, sampleRecord } from './sample-record.ts';

const EMPTY: ChaosRecord = {
  format: 1,
  seed: 0,
  command: 'leasehold chaos --seed 0',
  startedAt: '2025-11-22T09:14:03Z',
  durationMs: 0,
  leaseTtlMs: 0,
  versions: { leasehold: '', node: '', etcd: '', nats: '', postgres: '' },
  phases: [],
  replicas: [],
  faults: [],
  failovers: [],
  counts: {
    requests: 0,
    acknowledged: 0,
    unanswered: 0,
    byOutcome: {},
    effects: 0,
    rows: 0,
    instances: 0,
    stuck: 0,
    decisions: 0,
  },
  instances: [],
  refusals: [],
  lateOutcomes: [],
  checks: [],
  breaches: [],
  verdict: 'broken_off',
};

const SMALL = { durationMs: 60_000, instances: 8, faults: 40 };

describe('the report', () => {
  it('has every section, and says seed, command, verdict and versions', () => {
    const record = sampleRecord(SMALL);
    const { tags, text } = outline(renderReport(record));
    const ids = tags.flatMap(({ attributes }) => attributes.get('id') ?? []);
    expect(ids).toEqual(
      expect.arrayContaining(['checks', 'failovers', 'timeline', 'faults', 'evidence']),
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect(text).toContain('Passed');
    expect(text).toContain(String(record.seed));
    expect(text).toContain(record.command);
    for (const version of Object.values(record.versions)) expect(text).toContain(version);
  });

  it('is the same for the same record', () => {
    expect(renderReport(sampleRecord(SMALL))).toBe(renderReport(sampleRecord(SMALL)));
    expect(renderReport(sampleRecord(SMALL))).not.toBe(
      renderReport(sampleRecord({ ...SMALL, seed: 2 })),
    );
  });

  it('renders a record in which nothing happened, and says so', () => {
    const { text } = outline(renderReport(EMPTY));
    expect(text).toContain('Broken off');
    expect(text).toContain('The record has no replicas.');
    expect(text).toContain('No fault was made.');
    expect(text).toContain('nothing was measured');
    expect(text.match(/No check covered it in this run\./g)).toHaveLength(7);
    expect(text).not.toMatch(/NaN|undefined|Infinity/);
  });

  it.each(['passed', 'breached', 'stuck', 'broken_off'] as const)(
    'renders the verdict %s without holes',
    (verdict) => {
      const { text } = outline(renderReport({ ...sampleRecord(SMALL), verdict }));
      expect(text).not.toMatch(/NaN|undefined|Infinity|\[object/);
    },
  );

  it('loads nothing: every reference stays within the page', () => {
    const page = renderReport(breachedRecord(SMALL));
    const { tags } = outline(page);
    expect(tags.some(({ attributes }) => attributes.has('src') || attributes.has('srcset'))).toBe(
      false,
    );
    const references = tags.flatMap(({ attributes }) => attributes.get('href') ?? []);
    expect(references.length).toBeGreaterThan(50);
    expect(references.filter((href) => !href.startsWith('#') && href !== 'data:,')).toEqual([]);
    expect(page).not.toMatch(/@import|url\((?!#)/);
    const targets = new Set(tags.flatMap(({ attributes }) => attributes.get('id') ?? []));
    const dangling = references.filter(
      (href) => href.startsWith('#') && !targets.has(href.slice(1)),
    );
    expect(dangling).toEqual([]);
  });

  it('lets only its own style and script run', () => {
    const page = renderReport(sampleRecord(SMALL));
    const policy = outline(page).tags.find(
      ({ attributes }) => attributes.get('http-equiv') === 'Content-Security-Policy',
    );
    for (const element of ['style', 'script']) {
      const own = new RegExp(`<${element}>([\\s\\S]*?)</${element}>`).exec(page)?.[1] ?? '';
      expect(own.length).toBeGreaterThan(1000);
      const digest = createHash('sha256').update(own).digest('base64');
      expect(policy?.attributes.get('content')).toContain(
        `${element}-src &#39;sha256-${digest}&#39;`,
      );
    }
    expect(policy?.attributes.get('content')).toContain('default-src &#39;none&#39;');
  });

  it('has a script that compiles and never writes markup', () => {
    expect(() => new Script(SCRIPT)).not.toThrow();
    expect(SCRIPT).not.toMatch(
      /innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|fetch\(|XMLHttp|<\/script/,
    );
  });

  it('puts breaches ahead of all sections and links them to their lane', () => {
    const record = breachedRecord(SMALL);
    const page = renderReport(record);
    const { tags, text } = outline(page);
    const sections = tags
      .filter(({ name }) => name === 'section')
      .map(({ attributes }) => attributes.get('id'));
    expect(sections[0]).toBe('breaches');
    expect(text).toContain('Breached');
    for (const breach of record.breaches) {
      expect(text).toContain(breach.what);
      expect(text).toContain(breach.instanceId);
    }
    expect(text).toContain('seqs 4, 5');
    expect(tags.some(({ attributes }) => attributes.get('data-lane') === 'i2')).toBe(true);
    expect(tags.some(({ attributes }) => attributes.get('id') === 'i2')).toBe(true);
  });

  it('has no breach section where there is no breach', () => {
    expect(renderReport(sampleRecord(SMALL))).not.toContain('id="breaches"');
  });

  it('warns of a record that says passed and holds a breach', () => {
    const { text } = outline(renderReport({ ...breachedRecord(SMALL), verdict: 'passed' }));
    expect(text).toContain('Do not trust the verdict.');
    expect(outline(renderReport(sampleRecord(SMALL))).text).not.toContain('Do not trust');
  });

  it('distinguishes a check that could not be run from one that held', () => {
    const { text } = outline(renderReport(sampleRecord(SMALL)));
    expect(text).toContain('14 held, 1 not checked, of 15.');
    expect(text).toContain('libfaketime is not installed, so no clock was moved');
    expect(text).toContain('1 of 15 checks could not be run');
  });

  it('lists skipped faults with why, and does not count them', () => {
    const { text } = outline(renderReport(sampleRecord(SMALL)));
    expect(text).toContain('40 faults made, 3 skipped.');
    expect(text).toContain('drop etcd');
    expect(text).toContain('network namespaces need root, and this run has none');
  });
});

describe('a hostile record', () => {
  const HOSTILE = `"'><script>alert(1)</script><img src=x onerror=alert(1)>&lt;\`\u0000\u202Eevil\uD800</svg></style>`;

  it('cannot put a tag or an attribute into the page, whichever of its texts is hostile', () => {
    const clean = outline(renderReport(breachedRecord(SMALL)));
    const page = renderReport(poisoned(breachedRecord(SMALL), HOSTILE));
    const { tags, text } = outline(page); // throws on a stray tag
    const names = new Set(clean.tags.map(({ name }) => name));
    expect(tags.filter(({ name }) => !names.has(name))).toEqual([]);
    expect(page.match(/<script/g)).toHaveLength(1);
    const keys = new Set(tags.flatMap(({ attributes }) => [...attributes.keys()]));
    expect([...keys].filter((key) => /^on/i.test(key) || key === 'style' || key === 'src')).toEqual(
      [],
    );
    expect(text).toContain('&quot;&#39;&gt;&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('shows control, direction-changing and broken characters as such', () => {
    const page = renderReport(poisoned(breachedRecord(SMALL), HOSTILE));
    expect(page).not.toMatch(/(?!\n)\p{Cc}|\p{Cf}|\p{Cs}/u);
    expect(page).toContain('\uFFFD\uFFFDevil\uFFFD');
  });

  it('cannot blow up the page with one long text', () => {
    const page = renderReport(poisoned(sampleRecord(SMALL), 'x'.repeat(100_000)));
    expect(page.length).toBeLessThan(2_000_000);
  });
});

/**
 * The record with every text in it replaced, including the keys of `byOutcome` and the values of
 * closed sets.
 */
function poisoned(record: ChaosRecord, text: string): ChaosRecord {
  const poison = (value: unknown, key?: string): unknown => {
    if (typeof value === 'string') return text;
    if (Array.isArray(value)) return value.map((item) => poison(item));
    if (typeof value !== 'object' || value === null) return value;
    const entries = Object.entries(value).map(
      ([name, item]) => [name, poison(item, name)] as const,
    );
    return Object.fromEntries(
      key === 'byOutcome' ? entries.map(([name, item]) => [name + text, item]) : entries,
    );
  };
  return poison(record) as ChaosRecord;
}
