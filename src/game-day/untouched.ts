import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { engineSurroundings } from '../adapters/scratch/surroundings.ts';
import type { ProcessesPort } from '../core/ports/processes.ts';
import type { SystemdPort } from '../core/ports/systemd.ts';
import type { PortStatus } from '../core/ports.ts';

/** What is there besides the scratch stack: by kind, each thing with a text that is another one where it was touched. */
export type Fingerprint = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface Difference {
  readonly kind: string;
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

export interface FingerprintDeps {
  readonly host: string | undefined;
  readonly processes: Pick<ProcessesPort, 'list'>;
  readonly systemd: Pick<SystemdPort, 'services'> & { status(): Promise<PortStatus> };
}

const ABSENT = 'not there';

export async function fingerprint({ host, processes, systemd }: FingerprintDeps): Promise<Fingerprint> {
  const [engine, units, users] = await Promise.all([
    engineSurroundings(host),
    systemd.status().then(async ({ ok }) => (ok ? await systemd.services() : [])),
    readFile('/etc/passwd').catch(() => ''),
  ]);
  return {
    ...engine,
    units: Object.fromEntries(
      units
        .filter(({ mainPid }) => mainPid > 0)
        .map(({ unit, activeState, mainPid, restarts }) => [
          unit,
          `${activeState}, process ${mainPid}, ${restarts} restarts`,
        ]),
    ),
    users: { '/etc/passwd': createHash('sha256').update(users).digest('hex').slice(0, 16) },
    processes: Object.fromEntries(
      (await processes.list()).map(({ pid, startTicks, executable }) => [`${pid} since ${startTicks}`, executable]),
    ),
  };
}

/**
 * What is another one than before. Processes end by themselves all the time, so those are told apart: `ended` lists them,
 * and only what should have stayed as it was is a difference.
 */
export function compare(
  before: Fingerprint,
  after: Fingerprint,
): {
  readonly compared: Readonly<Record<string, number>>;
  readonly differences: Difference[];
  readonly ended: string[];
} {
  const differences: Difference[] = [];
  const compared: Record<string, number> = {};
  for (const [kind, things] of Object.entries(before)) {
    compared[kind] = Object.keys(things).length;
    if (kind === 'processes') continue;
    const now = after[kind] ?? {};
    for (const what of new Set([...Object.keys(things), ...Object.keys(now)])) {
      const [was, is] = [things[what] ?? ABSENT, now[what] ?? ABSENT];
      // What was started meanwhile was started by somebody else; what began to be is not what was touched.
      if (was !== is && !(kind === 'units' && was === ABSENT)) differences.push({ kind, what, before: was, after: is });
    }
  }
  const left = after['processes'] ?? {};
  const ended = Object.entries(before['processes'] ?? {}).flatMap(([process, executable]) =>
    process in left ? [] : [`${process.split(' ')[0]} ${executable}`.trim()],
  );
  return { compared, differences, ended };
}
