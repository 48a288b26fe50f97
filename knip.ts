import type { KnipConfig } from 'knip';

/*
 * `knip` finds the files, exports and dependencies that nothing uses. `knip --production` looks at
 * the patterns that end in "!" only, the product without its tests, and so finds what only a test
 * uses.
 */
const production = process.argv.includes('--production');

const config: KnipConfig = {
  entry: [
    // Besides the entry points that package.json and vitest.config.ts name: programs that are
    // started as processes, by their paths;
    'tools/**/*-main.ts!',
    // modules that a replica loads by the path in LEASEHOLD_HANDLERS;
    'tools/**/handlers.ts!',
    // commands and handlers of the tests' runbooks;
    'test/{enqueue-storm,harness,random-cells}/*.mjs',
    // scripts, and the program that scripts/setup.mjs runs once it is compiled;
    'scripts/*.mjs!',
    'tools/stack/fetch-cli.ts!',
    // examples, which people run and runbooks name.
    'examples/**/*.{mjs,ts}!',
  ],
  project: [
    '{src,coordinator,advancer,cli,tools}/**/*.ts!',
    '{scripts,examples}/**/*.{mjs,ts}!',
    'test/**/*.{ts,mjs}',
  ],
  // A dependency of fastify, whose newer versions need Node 22. `overrides` would hold it back in
  // this repository only, and not where the package is installed.
  ignoreDependencies: ['light-my-request'],
  // The types of an exported function or class are exported with it, so that callers can name them.
  // A function that its own file uses may be exported for a test; one that only a test uses may
  // not.
  ignoreExportsUsedInFile: production ? true : { interface: true, type: true },
};

export default config;
