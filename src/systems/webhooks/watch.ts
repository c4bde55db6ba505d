import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Trouble } from '../trouble.ts';
import { filesAside, wordsOfAside } from './aside.ts';
import type { Stall } from './mover.ts';
import type { Counts } from './messages.ts';

export interface WatchDeps {
  /** Where the journal is. */
  readonly folder: string;
  /** Nothing where nothing is received. Rejects where the receiver does not answer, which others tell of. */
  readonly counts: () => Promise<Counts | undefined>;
  readonly stall: () => Stall | undefined;
  /** Whether what was answered with 202 may be in a part that cannot be read. */
  readonly mayHaveLost: () => boolean;
  /** How long what was sent is kept. */
  readonly keepMs: () => number;
  /** Of webhooks that cannot be kept. */
  readonly notKept: Trouble;
  /** Of webhooks that are kept and get no further. */
  readonly stuck: Trouble;
  /** Of files that were kept aside. */
  readonly damaged: Trouble;
  readonly log: Log;
  readonly times?: WatchTimes;
}

export interface WatchTimes {
  readonly everyMs: number;
  /** So long senders are refused, or nothing gets on, before somebody has to know. */
  readonly refusedMs: number;
  readonly stuckMs: number;
}

const TIMES: WatchTimes = { everyMs: 10_000, refusedMs: 60_000, stuckMs: 180_000 };
const PROBE_BYTES = 64 * 1024;

/** Looks whether what is sent can be kept, and gets on. Gives what ends it. */
export function startWatch(deps: WatchDeps): () => void {
  const { folder, counts, stall, notKept, stuck, log, times = TIMES } = deps;
  let refused = 0;
  let refusing: { readonly since: number; readonly last: number; readonly why: string } | undefined;

  async function looked(): Promise<void> {
    const said = await counts().catch(() => null);
    if (said !== null) await notKept.tell(await whyNotKept(said));
    const stalled = stall();
    await stuck.tell(stalled && stalled.forMs >= times.stuckMs ? wordsOf(stalled) : undefined);
    const aside = wordsOfAside(folder, await filesAside(folder), deps.keepMs());
    await deps.damaged.tell(aside, deps.mayHaveLost() ? 'critical' : 'warning');
  }

  async function whyNotKept(said: Counts | undefined): Promise<string | undefined> {
    const now = performance.now();
    const before = refused;
    refused = said?.refused['disk'] ?? 0;
    // One that was begun anew counts from nothing.
    if (said && refused > (refused < before ? 0 : before))
      refusing = { since: refusing?.since ?? now, last: now, why: said.unkept ?? '' };
    if (!refusing) return undefined;
    const isCalm = now - refusing.last >= times.refusedMs;
    // Nobody may have come since.
    if (!said || (isCalm && (await canWrite()))) refusing = undefined;
    else if (now - refusing.since >= times.refusedMs)
      return `Senders of webhooks are answered with 503, because the journal in ${folder} cannot be written: ${refusing.why}.`;
    return undefined;
  }

  async function canWrite(): Promise<boolean> {
    const path = join(folder, 'probe');
    try {
      await writeFile(path, Buffer.alloc(PROBE_BYTES), { mode: 0o600, flush: true });
      return true;
    } catch {
      return false;
    } finally {
      await rm(path, { force: true }).catch(() => undefined);
    }
  }

  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    void looked()
      .catch((thrown: unknown) =>
        log.warn('webhooks were not looked at', { reason: StewardError.from(thrown).message }),
      )
      .finally(() => (busy = false));
  }, times.everyMs);
  timer.unref();
  return () => clearInterval(timer);
}

const wordsOf = ({ bytes, forMs, reason }: Stall): string =>
  `${bytes} bytes of webhooks wait in the journal, and for ${Math.round(forMs / 1_000)} s none of them came into the store${reason === undefined ? '' : `: ${reason}`}.`;
