import { z } from 'zod';
import { Unsure } from '../../core/backup/copy.ts';
import { isRecoveryPoint } from '../../core/backup/copy-before.ts';
import type { Retention } from '../../core/backup/retention.ts';
import { ms } from '../../core/duration.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';

const seconds = z.number().int().optional();

export const StandingView = z.object({
  source: z.string(),
  kind: z.string(),
  repository: z.string(),
  state: z
    .enum(['proven', 'partly', 'unproven', 'unlocked', 'unsound', 'late', 'failing', 'none'])
    .describe(
      'proven: its newest copy was restored, and what was restored is what was copied. partly: but for what changed while it was copied, or could not be read. unlocked: there is a copy, and its bucket is not locked although it is to be, or nobody knows.',
    ),
  proven: z.boolean(),
  message: z.string(),
  objectLock: z
    .object({
      state: z.enum(['locked', 'unlocked', 'unknown']),
      mode: z.enum(['COMPLIANCE', 'GOVERNANCE']).optional(),
      days: z.number().int().optional().describe('How long each object is kept, from when it was written.'),
      until: z.string().optional().describe('Until when all is kept that copies there need: the least of its objects.'),
      message: z.string(),
      hint: z.string().optional(),
    })
    .optional()
    .describe('What its bucket says, where it is to be locked.'),
  lastCopyAt: z.coerce.date().optional().describe('Of which instant the newest copy is.'),
  lastProvenAt: z.coerce.date().optional().describe('Of which instant the newest proven copy is.'),
  rpoSeconds: seconds.describe('What would be lost now: the age of the newest proven data.'),
  rtoSeconds: seconds.describe('What its last restore took.'),
  everySeconds: z.number().int().describe('How old the newest copy may be.'),
  successRate: z.number().optional().describe('Percent of its attempts of the last 30 days that made a copy.'),
  copies: z.number().int(),
  bytes: z.number().optional().describe('Of the newest copy, before compression.'),
});

export const ProposalView = z.object({
  name: z.string(),
  kind: z.string(),
  coveredBy: z.string().optional().describe('The source that copies it; without one nobody does.'),
  why: z.string(),
  missing: z.string().optional().describe('What a person has to add.'),
  yaml: z.string().describe('For backups.sources in steward.yaml.'),
});

/** A copy as the record has it, for whoever asks. */
export const CopyView = z.object({
  id: z.string(),
  source: z.string(),
  kind: z.string(),
  repository: z.string(),
  status: z.enum(['writing', 'complete', 'failed', 'removed']),
  location: z.string().optional(),
  startedAt: z.coerce.date(),
  snapshotAt: z.coerce.date().optional(),
  endedAt: z.coerce.date().optional(),
  bytes: z.number().optional(),
  storedBytes: z.number().optional(),
  provenAt: z.coerce.date().optional(),
  unsure: Unsure.optional().describe(
    'What of it was not compared when it was proven: it changed while it was copied, or could not be read.',
  ),
  checkedAt: z.coerce.date().optional(),
  restoreSeconds: z.number().optional(),
  fault: z.string().optional(),
  triedAt: z.coerce.date().optional().describe('When somebody last set out to restore it in a drill.'),
  obstacle: z.string().optional().describe('Why that could not be done here; it says nothing of the copy.'),
  error: z.string().optional(),
  keptUntil: z.coerce
    .date()
    .optional()
    .describe('Of what was copied right before a restore or a migration: until then it stays for the way back.'),
  runId: z.string(),
});

const TOLD = [
  'location',
  'snapshotAt',
  'endedAt',
  'bytes',
  'storedBytes',
  'provenAt',
  'unsure',
  'checkedAt',
  'fault',
  'triedAt',
  'obstacle',
  'error',
] as const;

export function viewOf(copy: CopyRecord, { safety }: Pick<Retention, 'safety'>): z.input<typeof CopyView> {
  const { id, source, kind, repository, status, startedAt, runId, restoreMs } = copy;
  const told = Object.fromEntries(
    TOLD.filter((member) => copy[member] !== null).map((member) => [member, copy[member]]),
  );
  return {
    id,
    source,
    kind,
    repository,
    status,
    startedAt,
    runId,
    ...told,
    ...(status === 'complete' && isRecoveryPoint(id) && { keptUntil: new Date(startedAt.getTime() + ms(safety)) }),
    ...(restoreMs !== null && { restoreSeconds: Math.round(restoreMs) / 1_000 }),
  };
}
