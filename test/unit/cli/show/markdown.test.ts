import { describe, expect, it } from 'vitest';

import { markdownMarkup } from '../../../../cli/show/markdown-html.ts';
import { markdownLines } from '../../../../cli/show/markdown-terminal.ts';
import { markup } from '../../../../tools/page/markup.ts';

const TEXT = `# Title

Text with **bold**, *it*, \`code\` and a hard  
break. <b>HTML</b> <!-- hidden --> <https://a.example/x>

1. one
   - deep
     more of it
2. two

> quote
> more

| host | role |
| :--- | ---: |
| a | primary |
| b | **standby** |

\`\`\`sh
ls -l
  deep
\`\`\`

---

<!-- all of it is hidden -->
`;

describe('a Markdown text', () => {
  it('is laid out for a terminal', () => {
    expect(markdownLines(TEXT, 40, { color: false }).join('\n')).toBe(`Title
=====

Text with bold, it, \`code\` and a hard
break. <b>HTML</b> https://a.example/x

1. one
   • deep more of it
2. two

│ quote more

host  role
────  ───────
a     primary
b     standby

    ls -l
      deep

────────────────────────────────────────`);
  });

  it('is a list of what is in each row where a table is too wide', () => {
    const table = '| host | role |\n| --- | --- |\n| one | the primary of the pair |';
    expect(markdownLines(table, 20, { color: false })).toEqual([
      'host: one',
      'role: the primary of',
      'the pair',
    ]);
  });

  it('is HTML in which HTML is text and comments are left out', () => {
    expect(markup`${markdownMarkup(TEXT, 1)}`.toString()).toBe(
      '<h2>Title</h2><p>Text with <strong>bold</strong>, <em>it</em>, <code>code</code> and a hard' +
        '<br>break. &lt;b&gt;HTML&lt;/b&gt;  <a href="https://a.example/x" ' +
        'rel="noopener noreferrer">https://a.example/x</a></p>' +
        '<ol start="1"><li>one<ul><li>deep more of it</li></ul></li><li>two</li></ol>' +
        '<blockquote><p>quote more</p></blockquote>' +
        '<div class="scroll"><table><thead><tr><th scope="col">host</th>' +
        '<th scope="col" class="right">role</th></tr></thead>' +
        '<tbody><tr><td>a</td><td class="right">primary</td></tr>' +
        '<tr><td>b</td><td class="right"><strong>standby</strong></td></tr></tbody></table></div>' +
        '<pre><code>ls -l\n  deep</code></pre><hr>',
    );
  });
});
