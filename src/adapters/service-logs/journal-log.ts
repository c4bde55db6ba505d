import { setTimeout as sleep } from 'node:timers/promises';
import type { LogLevel } from '../../core/lines.ts';
import type { Resource } from '../../core/resource.ts';
import type { RawLine } from '../../core/service-logs.ts';
import type { JournalEntry, Systemd } from '../systemd/index.ts';

const EVERY_MS = 1_000;

/** Asks the journal for what is behind the last entry: nothing has to go on running for it, and nothing is missed. */
export async function followJournal(
  systemd: Pick<Systemd, 'journal'>,
  current: () => Promise<Resource | undefined>,
  emit: (lines: readonly RawLine[]) => void,
  signal: AbortSignal,
): Promise<void> {
  let after: string | undefined;
  let begun = new Date();
  while (!signal.aborted) {
    const supervisor = (await current())?.supervisor;
    if (supervisor?.kind === 'systemd') {
      const place = after === undefined ? { since: begun } : { after };
      const entries = await systemd
        .journal(supervisor.unit, supervisor.scope, { ...place, lines: 1_000 })
        // A cursor that the journal has vacuumed away is refused; what is known is when that was.
        .catch(() => ((after = undefined), []));
      after = entries.at(-1)?.cursor ?? after;
      begun = entries.at(-1)?.at ?? begun;
      if (entries.length > 0 && !signal.aborted) emit(entries.map((entry) => journalLine(entry, supervisor.unit)));
    }
    await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
  }
}

export function journalLine({ at, priority, message }: JournalEntry, unit: string): RawLine {
  return { at, level: levelOf(priority), text: message, source: `journal of ${unit}` };
}

/** Most programs do not say, and then everything is info (6) or notice (5): the words of the line tell more. */
function levelOf(priority: number): LogLevel | undefined {
  if (priority <= 3) return 'error';
  if (priority === 4) return 'warning';
  return priority === 7 ? 'debug' : undefined;
}
