export type Tone = 'good' | 'warn' | 'bad' | 'calm';

const TONES: Readonly<Record<Exclude<Tone, 'calm'>, readonly string[]>> = {
  good: ['up', 'succeeded', 'resolved', 'healthy', 'alive', 'done', 'proven', 'ok', 'working', 'active', 'automatic'],
  warn: [
    'degraded',
    'warning',
    'healing',
    'open',
    'waiting-approval',
    'stale',
    'rolling-back',
    'rolled-back',
    'unproven',
    'partly',
    'late',
    'attention',
    'paused',
    'approval',
    'undone',
    'expired',
    'rejected',
    'canceled',
  ],
  bad: [
    'down',
    'failed',
    'escalated',
    'critical',
    'rollback-failed',
    'lost',
    'unsound',
    'unlocked',
    'failing',
    'none',
    'broken',
    'unhealthy',
    'undo-failed',
    'destructive',
  ],
};

/** How a word of the API is to be taken: colour only adds to the word itself. */
export function toneOf(word: string): Tone {
  if (TONES.good.includes(word)) return 'good';
  if (TONES.warn.includes(word)) return 'warn';
  return TONES.bad.includes(word) ? 'bad' : 'calm';
}
