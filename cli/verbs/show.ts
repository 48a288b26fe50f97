import { writeFile } from 'node:fs/promises';

import { Option } from 'commander';

import { ConfigError } from '../../src/config/config-error.ts';
import { errorText } from '../../src/error-text.ts';
import { EXIT } from '../exit-code.ts';
import { durationFlag, idFlag } from '../flags.ts';
import { addSharedOptions, AGENT_OPTIONS } from '../shared-options.ts';
import { printJson } from '../terminal.ts';
import type { DefineVerb } from '../verb.ts';
import { withAgent } from '../with-agent.ts';

interface ShowOptions {
  /** True without a file: to stdout. */
  html?: string | true;
  timeout?: number;
}

/** `leasehold show INSTANCE` */
export const show: DefineVerb = (command, register) => {
  addSharedOptions(command, AGENT_OPTIONS)
    .description(
      'Show an instance as a page to read: its runbook, and what became of each cell, with ' +
        'times, tokens and decisions. With --json: {"runbook", "status"}. Exits 0 whatever the ' +
        'status is.',
    )
    .argument('<instance>', 'instance to show', idFlag)
    .addOption(
      new Option(
        '--html [file]',
        'write one HTML file instead, or print it if no file is named',
      ).conflicts('json'),
    )
    .option('--timeout <duration>', 'how long to wait for the reply (default: 10s)', durationFlag);
  register<ShowOptions>(command, (terminal, options, [instanceId = '']) => {
    const { html, timeout: timeoutMs } = options;
    return withAgent(terminal, options, async (agent) => {
      const status = await agent.status(instanceId, { log: true, timeoutMs });
      const { runbookId, version } = status;
      const runbook = await agent.runbook(runbookId, { version, timeoutMs });
      if (options.json === true) {
        printJson(terminal, { runbook, status });
        return EXIT.done;
      }
      if (html === undefined) {
        const { instancePage } = await import('../show/terminal-page.ts');
        terminal.out(instancePage(runbook, status, terminal, Date.now()));
        return EXIT.done;
      }
      const { instanceHtml } = await import('../show/html-page.ts');
      const page = instanceHtml(runbook, status, Date.now());
      if (html === true) {
        terminal.out(page.trimEnd());
        return EXIT.done;
      }
      try {
        await writeFile(html, page);
      } catch (cause) {
        throw new ConfigError([`--html: ${html} cannot be written (${errorText(cause)})`]);
      }
      terminal.err(`wrote ${html}`);
      return EXIT.done;
    });
  });
};
