import type { DatabaseFigures, EventCount, HistoryPort, ReportScore } from '../../core/ports/history.ts';

export interface FakeHistory extends HistoryPort {
  wasUp(resourceId: string, percent: number): void;
  happened(count: Partial<EventCount> & Pick<EventCount, 'type'>): void;
  addDatabase(figures: DatabaseFigures): void;
  addScore(score: ReportScore): void;
}

/** A past in which only happened what a test says. */
export function fakeHistory(): FakeHistory {
  const uptimes = new Map<string, number>();
  const counts: EventCount[] = [];
  const databases: DatabaseFigures[] = [];
  const scores: ReportScore[] = [];
  return {
    settings: async () => ({ period: 'daily', slowSeconds: 30 }),
    uptimes: async () => new Map(uptimes),
    counts: async (types) => counts.filter(({ type }) => types.includes(type)),
    databases: async () => [...databases],
    scores: async ({ from, to }) => scores.filter(({ at }) => at >= from && at < to),
    openIncidents: async () => [],
    wasUp: (resourceId, percent) => void uptimes.set(resourceId, percent),
    happened: (count) => void counts.push({ of: '', status: '', count: 1, ...count }),
    addDatabase: (figures) => void databases.push(figures),
    addScore: (score) => void scores.push(score),
  };
}
