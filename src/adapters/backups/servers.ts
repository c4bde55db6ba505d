import type { SourceReader } from '../../core/backup/reader.ts';
import { addressOfSource, type BackupSource } from '../../core/backup/source.ts';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { BackupsPort } from '../../core/ports/backups.ts';

/** Of a question that takes a server no time: whoever does not answer within it is known by its name alone. */
const ANSWERS_WITHIN_MS = 5_000;

/** Who is behind the address of a source. What a server said last counts while it says nothing. */
export function serversOf({
  sources,
  readers,
  servers,
  log,
  withinMs = ANSWERS_WITHIN_MS,
}: {
  readonly sources: () => readonly BackupSource[];
  readonly readers: readonly SourceReader[];
  readonly servers: Map<string, string>;
  readonly log: Log;
  readonly withinMs?: number;
}): BackupsPort['serverOf'] {
  return async (name, { signal }) => {
    const source = sources().find((each) => each.name === name);
    const reader = readers.find(({ kind }) => kind === source?.kind);
    const at = source && addressOfSource(source);
    if (!source || at === undefined || !reader?.server) return undefined;
    const address = `${source.kind}:${at}`;
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(withinMs)]);
    try {
      const said = await orAborted(reader.server(source, { signal: bounded }), bounded);
      if (said !== undefined) servers.set(address, said);
    } catch (thrown) {
      signal.throwIfAborted();
      log.debug('a server did not say which it is', { source: name, reason: StewardError.from(thrown).message });
    }
    return servers.get(address);
  };
}

/** Not every driver gives up a connection that is being made. */
async function orAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const stop = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', stop, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([answer, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
