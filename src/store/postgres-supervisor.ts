import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../core/errors.ts';
import {
  type BundledPostgresOptions,
  ensurePostgres,
  type PostgresServer,
  removeOldLogs,
  stopPostgres,
} from './bundled-postgres.ts';
import { isPostmaster } from './pg-process.ts';

export interface SupervisorEvents {
  /** The server is gone; it is being started again. */
  onDown(reason: StewardError): void;
  onUp(): void;
}

export interface PostgresSupervisor {
  server(): PostgresServer;
  /** Stops watching and leaves the server running. */
  detach(): Promise<void>;
  /** Stops watching, then the server. */
  stop(): Promise<void>;
}

const LOOK_EVERY_MS = 500;
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 10_000;
const STABLE_AFTER_MS = 60_000;
const TIDY_EVERY_MS = 3_600_000;

/** Keeps the bundled server running: a new one is started whenever it is gone, later and later while that does not help. */
export async function supervisePostgres(
  options: BundledPostgresOptions,
  events: SupervisorEvents,
): Promise<PostgresSupervisor> {
  const stopping = new AbortController();
  let server = await ensurePostgres(options);
  const watching = watch();

  async function watch(): Promise<void> {
    let wait = 0;
    let since = performance.now();
    let tidied = since;
    while (await pause(LOOK_EVERY_MS)) {
      // `undefined` is alive and not to be seen, which is no reason to start a second one.
      if ((await isPostmaster(server.paths, server.pid)) !== false) {
        if (performance.now() - since > STABLE_AFTER_MS) wait = 0;
        if (performance.now() - tidied > TIDY_EVERY_MS) {
          tidied = performance.now();
          // A log that cannot be removed today can be tomorrow.
          await removeOldLogs(server.paths).catch(() => undefined);
        }
        continue;
      }
      events.onDown(
        new StewardError('STORE_UNAVAILABLE', `The bundled PostgreSQL (pid ${server.pid}) is gone.`, {
          hint: 'Steward starts it again.',
        }),
      );
      for (;;) {
        if (!(await pause(wait))) return;
        wait = Math.min(Math.max(wait * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS);
        try {
          server = await ensurePostgres(options);
          break;
        } catch (thrown) {
          events.onDown(StewardError.from(thrown));
        }
      }
      since = performance.now();
      events.onUp();
    }
  }

  async function pause(milliseconds: number): Promise<boolean> {
    await sleep(milliseconds, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
    return !stopping.signal.aborted;
  }

  async function detach(): Promise<void> {
    stopping.abort();
    await watching;
  }

  return {
    server: () => server,
    detach,
    async stop() {
      await detach();
      await stopPostgres(server);
    },
  };
}
