import { errorText } from '../../src/error-text.ts';
import { engineRuns } from './compose.ts';
import { allowedRoutes, findInstalled, locateServer } from './locate.ts';
import { SERVER_NAMES } from './server-binary.ts';

/** Makes sure that each server can be started later, and reports fetches on stderr. */
async function main(): Promise<void> {
  const say = (text: string): void => {
    process.stderr.write(`leasehold: ${text}\n`);
  };
  let engine: Promise<boolean> | undefined;
  for (const name of SERVER_NAMES) {
    if ((await findInstalled(name)) !== undefined) continue;
    if (allowedRoutes().includes('docker') && (await (engine ??= engineRuns()))) continue;
    const binary = await locateServer(name, { say });
    if (binary.from === 'fetched') say(`fetched ${name} ${binary.version}`);
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`leasehold: ${errorText(error)}\n`);
  process.exitCode = 1;
});
