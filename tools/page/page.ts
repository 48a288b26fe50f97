import { createHash } from 'node:crypto';
import { Markup, markup } from './markup.ts';

/** A page's style sheet and script. */
export interface PageAssets {
  style: string;
  /** Without one, the page runs nothing. */
  script?: string;
}

/**
 * The HTML document around a report's sections. Its content security policy allows only this style
 * and this script: the page can load nothing else, and nothing injected through a record can run.
 */
export function page(title: string, body: Markup, { style, script }: PageAssets): string {
  const policy = [
    "default-src 'none'",
    `style-src '${digest(style)}'`,
    script === undefined ? "script-src 'none'" : `script-src '${digest(script)}'`,
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
<style>${Markup.trusted(style)}</style>
</head>
<body>
<main>
${body}
</main>
${script !== undefined && markup`<script>${Markup.trusted(script)}</script>`}
</body>
</html>
`.toString();
}

function digest(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
