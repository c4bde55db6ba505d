import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';

export interface DeadManSettings {
  readonly everyMs: number;
}

export interface DeadManDeps<Settings extends DeadManSettings> {
  /** Read before each sign; `undefined` while none is configured. */
  readonly settings: () => Settings | undefined;
  readonly ping: (settings: Settings, signal: AbortSignal) => Promise<void>;
  /** No sign is given while Steward cannot do its work: whoever waits for it must hear of that too. */
  readonly atWork?: () => Promise<boolean>;
  readonly now: () => Date;
  readonly log: Log;
}

export interface DeadManStatus {
  readonly configured: boolean;
  readonly lastSuccess?: Date | undefined;
  readonly lastError?: { readonly at: Date; readonly message: string } | undefined;
}

export interface DeadMan {
  start(): void;
  stop(): Promise<void>;
  status(): DeadManStatus;
}

const DEADLINE_MS = 10_000;
const LOOK_AGAIN_MS = 5_000;

/** A sign of life for something outside. It never fails anyone: what goes wrong is logged once and shown. */
export function createDeadMan<Settings extends DeadManSettings>({
  settings,
  ping,
  atWork,
  now,
  log,
}: DeadManDeps<Settings>): DeadMan {
  let stopping = new AbortController();
  let loop: Promise<void> = Promise.resolve();
  let lastSuccess: Date | undefined;
  let lastError: DeadManStatus['lastError'];

  async function signOfLife(current: Settings, signal: AbortSignal): Promise<void> {
    try {
      if (atWork && !(await atWork()))
        throw new StewardError('STORE_UNAVAILABLE', 'No sign of life is given while the store does not answer.');
      await ping(current, AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]));
      if (lastError) log.info('sign of life is taken again');
      lastSuccess = now();
      lastError = undefined;
    } catch (thrown) {
      if (signal.aborted) return;
      const { message } = StewardError.from(thrown);
      if (lastError?.message !== message) log.warn('sign of life was not taken', { reason: message });
      lastError = { at: now(), message };
    }
  }

  async function repeat(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const current = settings();
      const began = performance.now();
      if (current) await signOfLife(current, signal);
      const wait = current ? Math.max(0, current.everyMs - (performance.now() - began)) : LOOK_AGAIN_MS;
      await sleep(wait, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  return {
    start() {
      stopping = new AbortController();
      loop = repeat(stopping.signal);
    },
    async stop() {
      stopping.abort();
      await loop;
    },
    status: () => ({ configured: settings() !== undefined, lastSuccess, lastError }),
  };
}
