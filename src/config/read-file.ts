import { readFileSync } from 'node:fs';

/** Reads a file of certificates or credentials; replaced in tests. */
export type ReadFile = (path: string) => string;

/** Reads a file from disk. */
export const readText: ReadFile = (path) => readFileSync(path, 'utf8');
