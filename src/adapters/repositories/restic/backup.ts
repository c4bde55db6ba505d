import { z } from 'zod';
import type { Bytes } from '../../../core/backup/store.ts';
import type { Asking, Restic } from './program.ts';
import { linesOf } from './flow.ts';

const Summary = z.object({
  message_type: z.literal('summary'),
  snapshot_id: z.string(),
  total_files_processed: z.number().int(),
  total_bytes_processed: z.number().int(),
  data_added: z.number().int(),
  /** Since 0.17. */
  data_added_packed: z.number().int().optional(),
});
const Status = z.object({ message_type: z.literal('status'), bytes_done: z.number().default(0) });
const Complaint = z.object({ message_type: z.literal('error'), item: z.string() });

export interface BackedUp {
  readonly snapshot: string;
  readonly files: number;
  readonly bytes: number;
  readonly storedBytes: number;
  readonly unreadable: readonly string[];
}

/** One `restic backup`, fed by `input`; gives what its snapshot holds. */
export async function backup(
  restic: Restic,
  args: readonly string[],
  key: string,
  asking: Asking & { readonly input: Bytes },
): Promise<BackedUp> {
  const { stderr, taken } = await restic.stream(['backup', '--json', ...args], key, asking, async (output) => {
    const unreadable = new Set<string>();
    let summary: z.output<typeof Summary> | undefined;
    for await (const line of linesOf(output)) {
      const said = parse(line);
      const status = Status.safeParse(said);
      if (status.success) asking.doing.progress?.({ bytes: status.data.bytes_done });
      summary ??= Summary.safeParse(said).data;
      addComplaint(said, unreadable);
    }
    return { summary, unreadable };
  });
  for (const line of stderr.split('\n')) {
    addComplaint(parse(line), taken.unreadable);
    const skipped = /^(.+) does not exist, skipping$/.exec(line)?.[1];
    if (skipped !== undefined) taken.unreadable.add(skipped);
  }
  const summary = Summary.parse(taken.summary ?? {});
  return {
    snapshot: summary.snapshot_id,
    files: summary.total_files_processed,
    bytes: summary.total_bytes_processed,
    storedBytes: summary.data_added_packed ?? summary.data_added,
    unreadable: [...taken.unreadable],
  };
}

function addComplaint(said: unknown, to: Set<string>): void {
  const complaint = Complaint.safeParse(said).data;
  if (complaint) to.add(complaint.item);
}

function parse(line: string): unknown {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
