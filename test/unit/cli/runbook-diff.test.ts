import { describe, expect, it } from 'vitest';

import { diffRunbooks, diffText } from '../../../cli/render/runbook-diff.ts';
import type { Cell, Runbook } from '../../../src/runbook/runbook.ts';

const plain = { color: false };

const cell = (id: string, handler = 'h'): Cell => ({ id, exec: { handler } });

function side(version: number, cells: Cell[], more: Partial<Runbook> = {}) {
  const runbook: Runbook = { runbook: 'a', version, inputs: [], cells, ...more };
  return { label: `a v${version}`, runbook };
}

describe('the diff of two runbooks', () => {
  it('names what changed by cell, and shows the lines under the cell that they are in', () => {
    const before = side(1, [cell('one'), cell('two'), cell('three'), cell('four')]);
    const after = side(2, [cell('one'), cell('two', 'other'), cell('four'), cell('five')], {
      title: 'A',
    });
    const diff = diffRunbooks(before, after);
    expect(diff.changes).toEqual({
      head: ['title'],
      changed: ['two'],
      added: ['five'],
      removed: ['three'],
      reordered: false,
    });
    expect(diffText(diff, plain))
      .toBe(`title changed; changed cell two; added cell five; removed cell three

--- a v1
+++ a v2
@@ -1,5 +1,6 @@
 runbook: a
-version: 1
+version: 2
+title: A
 inputs: []
 cells:
   - id: one
@@ -7,10 +8,10 @@ two
       handler: h
   - id: two
     exec:
-      handler: h
-  - id: three
+      handler: other
+  - id: four
     exec:
       handler: h
-  - id: four
+  - id: five
     exec:
       handler: h`);
  });

  it('says so where nothing differs but the version', () => {
    const diff = diffRunbooks(side(1, [cell('one')]), side(2, [cell('one')]));
    expect(diff.patch).toBe('');
    expect(diffText(diff, plain)).toBe('nothing differs');
  });

  it('sees that cells have another order', () => {
    const diff = diffRunbooks(side(1, [cell('a'), cell('b')]), side(2, [cell('b'), cell('a')]));
    expect(diff.changes).toMatchObject({ changed: [], reordered: true });
    expect(diffText(diff, plain)).toContain('cells stand in another order');
  });

  it('has colours on a terminal, and lets no text steer it', () => {
    const evil = { ...cell('one'), title: 'x\u001b[2Jy' };
    const text = diffText(diffRunbooks(side(1, [cell('one')]), side(1, [evil])), { color: true });
    expect(text).toContain('\u001b[32m+');
    expect(text).not.toContain('\u001b[2J');
  });
});
