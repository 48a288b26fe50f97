// Prints `N passed, N failed` from vitest's JSON results (argument 1). Fails if there are no
// results, if no test ran, or if a test failed.
import { readFileSync } from 'node:fs';

function read(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    process.stderr.write(`no test results in ${file}: the run ended early\n`);
    return undefined;
  }
}

const results = read(process.argv[2]);
const passed = results?.numPassedTests ?? 0;
// A file that could not be loaded has no tests to count, but is a failure too.
const brokenFiles = (results?.testResults ?? []).filter(
  (file) =>
    file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
);
const failed = (results?.numFailedTests ?? 0) + brokenFiles.length;
const skipped = (results?.numPendingTests ?? 0) + (results?.numTodoTests ?? 0);
for (const file of brokenFiles) process.stderr.write(`could not be loaded: ${file.name}\n`);
process.exitCode = results === undefined || passed === 0 || failed > 0 ? 1 : 0;
process.stdout.write(
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}\n`,
);
