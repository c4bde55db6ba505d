import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { pgHome } from '../store/pg-home.ts';
import { isAlive, isPostmaster, readPidFile, stopPostmaster } from '../store/pg-process.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The home of this run's PostgreSQL, which the first test that wants a database starts. */
    stewardTestHome: string;
  }
}

const PREFIX = 'steward-tests-';

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeAbandoned();
  const home = await mkdtemp(join(tmpdir(), `${PREFIX}${process.pid}-`));
  // The user of a server may pass through, to what is below.
  await chmod(home, 0o711);
  await mkdir(join(home, 'pg'));
  project.provide('stewardTestHome', home);
  return async () => await remove(home);
}

/** A run that was killed could not stop its server. */
async function removeAbandoned(): Promise<void> {
  for (const entry of await readdir(tmpdir())) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(entry)?.[1];
    if (pid && !isAlive(Number(pid))) await remove(join(tmpdir(), entry));
  }
}

async function remove(home: string): Promise<void> {
  const paths = pgHome(home);
  const server = await readPidFile(paths);
  if (server && (await isPostmaster(paths, server.pid))) await stopPostmaster(server.pid, 10_000);
  await rm(home, { recursive: true, force: true });
}
