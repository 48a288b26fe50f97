import { createHash } from 'node:crypto';
import { Markup, markup } from './markup.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

/**
 * The whole HTML document around the sections. Its content security policy allows exactly its own style and script:
 * it can load nothing, and nothing that a record smuggled in could run.
 */
export function page(title: string, body: Markup): string {
  const policy = [
    "default-src 'none'",
    `style-src '${digest(STYLE)}'`,
    `script-src '${digest(SCRIPT)}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${Markup.trusted(STYLE)}</style>
</head>
<body>
<main>
${body}
</main>
<script>${Markup.trusted(SCRIPT)}</script>
</body>
</html>
`.toString();
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
