import { canonicalJson } from '../../core/json.ts';
import type { Schedule } from '../../core/schedule.ts';
import type { Book } from './book.ts';

/** A heartbeat of steward.yaml. */
export interface ConfiguredHeartbeat {
  readonly name: string;
  readonly schedule: Schedule;
  readonly graceMs: number;
  readonly maxRunMs?: number | undefined;
  readonly minGapMs?: number | undefined;
  readonly critical: boolean;
}

/** Brings what is on record in line with the configuration; true where something was added or removed. */
export async function followConfiguration({
  book,
  configured,
  node,
  now,
}: {
  book: Book;
  configured: readonly ConfiguredHeartbeat[];
  node: string;
  now: () => Date;
}): Promise<boolean> {
  const rows = (await book.all()).filter((row) => row.node === node);
  let changed = false;
  for (const { name, schedule, graceMs, maxRunMs, minGapMs, critical } of configured) {
    const row = rows.find((each) => each.name === name);
    const values = { grace_ms: graceMs, max_run_ms: maxRunMs ?? null, min_gap_ms: minGapMs ?? null, critical };
    if (!row) {
      const added = await book.add({
        ...values,
        name,
        schedule,
        origin: 'configured',
        adoption: 'adopted',
        created_by: 'steward.yaml',
      });
      changed ||= added !== undefined;
      continue;
    }
    const before = {
      grace_ms: row.grace_ms,
      max_run_ms: row.max_run_ms,
      min_gap_ms: row.min_gap_ms,
      critical: row.critical,
      schedule: row.schedule,
      origin: row.origin,
    };
    if (canonicalJson(before) === canonicalJson({ ...values, schedule, origin: 'configured' })) continue;
    await book.change(row.id, {
      ...values,
      schedule: JSON.stringify(schedule),
      origin: 'configured',
      adoption: 'adopted',
    });
    changed = true;
  }
  const names = new Set(configured.map(({ name }) => name));
  for (const row of rows) {
    if (row.origin !== 'configured' || names.has(row.name)) continue;
    await book.change(row.id, { removed_at: now() });
    changed = true;
  }
  return changed;
}
