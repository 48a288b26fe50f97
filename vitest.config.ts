import { defineConfig } from 'vitest/config';
import type { TestProjectConfiguration } from 'vitest/config';

interface ProjectOptions {
  /** A folder inside the project's that belongs to another project. */
  readonly without?: string;
  /** Projects of a lower group end before those of a higher one begin. */
  readonly groupOrder: number;
  readonly needsServers: boolean;
  /**
   * Only ends a test that hangs: several times what it takes on a quiet machine, so that it passes
   * on a busy one too.
   */
  readonly testTimeoutMs: number;
  /** Two files at a time; or one, where times are measured that a busy neighbour would distort. */
  readonly maxWorkers: 1 | 2;
}

function project(
  name: string,
  folders: readonly string[],
  options: ProjectOptions,
): TestProjectConfiguration {
  return {
    test: {
      name,
      include: folders.map((folder) => `test/${folder}/**/*.test.ts`),
      exclude: options.without === undefined ? [] : [`test/${options.without}/**`],
      pool: 'forks',
      maxWorkers: options.maxWorkers,
      sequence: { groupOrder: options.groupOrder },
      testTimeout: options.testTimeoutMs,
      hookTimeout: 240_000,
      // Servers are started only for a run that has a test which needs them.
      globalSetup: options.needsServers ? ['test/harness/global-setup.ts'] : [],
    },
  };
}

const resultsFile = process.env['LEASEHOLD_TEST_RESULTS'];

export default defineConfig({
  test: {
    teardownTimeout: 120_000,
    reporters:
      resultsFile === undefined ? ['default'] : ['default', ['json', { outputFile: resultsFile }]],
    projects: [
      project('unit', ['unit', 'property'], {
        groupOrder: 0,
        needsServers: false,
        testTimeoutMs: 60_000,
        maxWorkers: 2,
      }),
      project('simulation', ['simulation'], {
        groupOrder: 0,
        needsServers: false,
        testTimeoutMs: 900_000,
        maxWorkers: 2,
      }),
      project('model', ['model'], {
        groupOrder: 0,
        needsServers: false,
        testTimeoutMs: 600_000,
        maxWorkers: 1,
      }),
      project('integration', ['integration', 'contract'], {
        groupOrder: 1,
        needsServers: true,
        testTimeoutMs: 240_000,
        maxWorkers: 2,
      }),
      project('fault-untimed', ['fault/untimed'], {
        groupOrder: 2,
        needsServers: true,
        testTimeoutMs: 600_000,
        maxWorkers: 2,
      }),
      project('fault', ['fault'], {
        without: 'fault/untimed',
        groupOrder: 3,
        needsServers: true,
        testTimeoutMs: 600_000,
        maxWorkers: 1,
      }),
    ],
  },
});
