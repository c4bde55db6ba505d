import { setTimeout as sleep } from 'node:timers/promises';
import type { Resource } from '../../core/resource.ts';
import type { RawLine } from '../../core/service-logs.ts';
import type { DockerAdapter } from '../docker/index.ts';

const AGAIN_MS = 1_000;

/** Follows a container, and the one that takes its place; what came while it was away is read up from the engine. */
export async function followContainer(
  docker: Pick<DockerAdapter, 'followLogs'>,
  current: () => Promise<Resource | undefined>,
  emit: (lines: readonly RawLine[]) => void,
  signal: AbortSignal,
): Promise<void> {
  let since = new Date().toISOString();
  while (!signal.aborted) {
    const supervisor = (await current())?.supervisor;
    if (supervisor?.kind === 'docker') {
      const source = `container ${supervisor.name}`;
      await docker
        .followLogs(supervisor.container, { since, signal }, (lines) => {
          const fresh = lines.map(stamped).filter(({ stamp }) => stamp === undefined || stamp > since);
          since = fresh.findLast(({ stamp }) => stamp !== undefined)?.stamp ?? since;
          emit(fresh.map(({ text, at }) => ({ text, at, source })));
        })
        .catch(() => undefined);
    }
    await sleep(AGAIN_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The engine writes the instant before each line, always in the same width. */
export function stamped(line: string): { stamp: string | undefined; at: Date | undefined; text: string } {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) ?/.exec(line);
  if (!found) return { stamp: undefined, at: undefined, text: line };
  const [whole, stamp = ''] = found;
  return { stamp, at: new Date(`${stamp.slice(0, 23)}Z`), text: line.slice(whole.length) };
}
