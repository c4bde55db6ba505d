import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Override } from './environment.ts';
import { saveLastGood } from './last-good.ts';
import { type ConfigLocation, type LoadedConfig, readConfig } from './load.ts';
import type { Config } from './schema.ts';

export interface ConfigService {
  /** What is in force. */
  current(): LoadedConfig;
  /** Why the file as it is now was refused; `undefined` while it is in force. */
  rejected(): StewardError | undefined;
  /** Called after a new configuration came into force, until the returned function is called. */
  subscribe(listener: (next: Config, previous: Config) => void): () => void;
  /** Reads the file at once instead of waiting for the file system to tell; resolves when that is done. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

export interface WatchOptions {
  readonly initial: LoadedConfig;
  readonly location: ConfigLocation;
  readonly overrides: readonly Override[];
  readonly home: string;
  readonly log: Log;
  /** config.loaded: sections that changed, and those of them that need a new start. */
  onLoaded(change: {
    readonly file: string;
    readonly changed: readonly string[];
    readonly needsRestart: readonly string[];
  }): Promise<void>;
  /** config.rejected: the last good configuration stays in force. */
  onRejected(error: StewardError): Promise<void>;
  readonly debounceMs?: number;
  readonly pollMs?: number;
}

/** What is built once at start: a change of these is in force after the next one. */
const NEEDS_RESTART: ReadonlySet<keyof Config> = new Set(['server', 'node', 'files', 'audit']);

/** Keeps the configuration in step with its file. A broken edit changes nothing but `rejected()`. */
export async function watchConfig(options: WatchOptions): Promise<ConfigService> {
  const { location, overrides, home, log, debounceMs = 200, pollMs = 5_000 } = options;
  const { file } = location;
  const listeners = new Set<(next: Config, previous: Config) => void>();
  let current = options.initial;
  let rejected = current.problem;
  let working: Promise<void> = Promise.resolve();
  let pending: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;
  let closed = false;
  let seen = await fingerprint(file);

  await keep(current);
  if (current.problem) await told(options.onRejected(current.problem));
  startWatching();
  // The file system does not tell of everything: network mounts, links whose target changes, exhausted watches.
  const poll = setInterval(() => void look(), pollMs);
  poll.unref();

  function startWatching(): void {
    try {
      const name = basename(file);
      watcher = watch(dirname(file), (_event, changed) => {
        // Kubernetes and others swap a link called ..data beside the file.
        if (changed === null || changed === name || changed.startsWith('..')) soon();
      });
      watcher.on('error', (thrown) =>
        log.warn('configuration is polled, the folder cannot be watched', { file, reason: thrown.message }),
      );
      watcher.unref();
    } catch (thrown) {
      log.warn('configuration is polled, the folder cannot be watched', { file, reason: (thrown as Error).message });
    }
  }

  async function look(): Promise<void> {
    const now = await fingerprint(file);
    if (now === seen) return;
    seen = now;
    soon();
  }

  /** Editors write in several steps, so the file is read when it has been quiet. */
  function soon(): void {
    if (closed) return;
    clearTimeout(pending);
    pending = setTimeout(() => void reload(), debounceMs);
    pending.unref();
  }

  function reload(): Promise<void> {
    working = working
      .then(apply)
      .catch((thrown: unknown) =>
        log.error('configuration could not be reloaded', { file, reason: StewardError.from(thrown).message }),
      );
    return working;
  }

  async function apply(): Promise<void> {
    if (closed) return;
    seen = await fingerprint(file);
    let next: LoadedConfig;
    try {
      next = await readConfig(current.source === 'defaults' ? location : { ...location, named: true }, overrides);
    } catch (thrown) {
      return (await fingerprint(file)) === seen ? await refuse(StewardError.from(thrown)) : soon();
    }
    // Who writes in place empties the file first, and an empty one is a valid one.
    if ((await fingerprint(file)) !== seen) return soon();
    const previous = current;
    const wasRejected = rejected !== undefined;
    if (!wasRejected && isDeepStrictEqual(next.config, previous.config)) {
      current = next;
      return;
    }
    current = next;
    rejected = undefined;
    // At once: who asks what is in force and who was told of it must not differ.
    for (const listener of listeners) guarded(() => listener(next.config, previous.config));
    await keep(next);
    const changed = sections(next.config).filter(
      (section) => !isDeepStrictEqual(next.config[section], previous.config[section]),
    );
    const needsRestart = changed.filter((section) => NEEDS_RESTART.has(section));
    log.info('configuration loaded', { file, changed });
    if (needsRestart.length > 0)
      log.warn('configuration changed where only a restart applies it', { file, needsRestart });
    await told(options.onLoaded({ file, changed, needsRestart }));
  }

  async function refuse(error: StewardError): Promise<void> {
    if (error.message === rejected?.message && isDeepStrictEqual(error.problems, rejected.problems)) return;
    rejected = error;
    log.error('configuration refused, the last good one stays in force', {
      file,
      reason: error.message,
      problems: (error.problems ?? []).map(({ path, message }) => `${path}: ${message}`),
    });
    await told(options.onRejected(error));
  }

  /** The file is what matters; a copy that cannot be written costs only the next start after a broken edit. */
  async function keep(loaded: LoadedConfig): Promise<void> {
    if (loaded.source !== 'file') return;
    await saveLastGood(home, file, loaded.written).catch((thrown: unknown) =>
      log.warn('last good configuration could not be kept', { file, reason: (thrown as Error).message }),
    );
  }

  /** What is in force does not depend on whether its event could be written. */
  async function told(telling: Promise<void>): Promise<void> {
    await telling.catch((thrown: unknown) =>
      log.warn('change of the configuration is missing in the events', {
        file,
        reason: StewardError.from(thrown).message,
      }),
    );
  }

  function guarded(call: () => void): void {
    try {
      call();
    } catch (thrown) {
      log.error('a part did not take the new configuration', { reason: StewardError.from(thrown).message });
    }
  }

  return {
    current: () => current,
    rejected: () => rejected,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    reload,
    async close() {
      closed = true;
      clearTimeout(pending);
      clearInterval(poll);
      watcher?.close();
      await working;
    },
  };
}

function sections(config: Config): (keyof Config)[] {
  return Object.keys(config) as (keyof Config)[];
}

async function fingerprint(file: string): Promise<string> {
  try {
    const { ino, size, mtimeMs, ctimeMs } = await stat(file);
    return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code ?? 'missing';
  }
}
