import { z } from 'zod';
import { defineAutomation } from '../../core/automation.ts';
import type { EventType } from '../../core/event.ts';
import type { EventCount } from '../../core/ports/history.ts';
import { WeeklySummary } from '../../core/weekly-summary.ts';

const WEEK_MS = 7 * 24 * 3_600_000;
const MOST = 200;
const TYPES = [
  'incident.opened',
  'incident.resolved',
  'incident.escalated',
  'healing.succeeded',
  'healing.failed',
  'backup.completed',
  'backup.failed',
  'backup.proven',
  'backup.unsound',
  'run.finished',
  'alert.delivered',
  'alert.failed',
] as const satisfies readonly EventType[];
const FAILED = new Set(['failed', 'rolled-back', 'rollback-failed']);
/** Of the runs, those by which a service began anew or had other data. */
const INTERVENTIONS = new Set(['migrate-database', 'restore-backup', 'restart-service']);

export default defineAutomation({
  name: 'summarize-week',
  version: 1,
  title: 'Summarize the week',
  summary: 'Says what the last seven days brought: incidents, heals, copies and proofs, runs, alerts, uptime, scores.',
  category: 'health',
  effect: 'read',
  priority: 'P2',
  ifMissed: 'nobody sees what comes back week after week',
  load: 'light',
  needs: ['history', 'inventory'],
  input: z.object({}),
  output: WeeklySummary,
  examples: [{ title: 'The last seven days', input: {} }],
  safeguards: { timeout: '1m', retry: { attempts: 2, backoff: '2s' } },

  async analyze({ ports, now, node }) {
    const to = now();
    const from = new Date(to.getTime() - WEEK_MS);
    const [counts, uptimes, scores, openNow, services] = await Promise.all([
      ports.history.counts(TYPES, { from, to }),
      ports.history.uptimes(from),
      ports.history.scores({ from, to }),
      ports.history.openIncidents(),
      ports.inventory.find({ kind: 'service', state: 'present' }),
    ]);
    const of = (type: (typeof TYPES)[number]): EventCount[] => counts.filter((each) => each.type === type);
    const sum = (type: (typeof TYPES)[number]): number => total(of(type));
    const named = (rows: readonly EventCount[]) =>
      [...Map.groupBy(rows, (row) => row.of)]
        .map(([name, group]) => ({ of: name, count: total(group) }))
        .toSorted((one, other) => other.count - one.count)
        .slice(0, MOST);
    const runs = of('run.finished');
    const succeeded = runs.filter(({ status }) => status === 'succeeded');
    const failed = runs.filter(({ status }) => FAILED.has(status));
    return {
      at: to.toISOString(),
      node: node.name,
      from: from.toISOString(),
      to: to.toISOString(),
      happened: total(counts),
      incidents: {
        opened: sum('incident.opened'),
        resolved: sum('incident.resolved'),
        escalated: sum('incident.escalated'),
        openNow: openNow.slice(0, MOST),
      },
      heals: { succeeded: sum('healing.succeeded'), failed: sum('healing.failed') },
      copies: {
        made: sum('backup.completed'),
        failed: sum('backup.failed'),
        proven: named(of('backup.proven')),
        unsound: named(of('backup.unsound')),
      },
      runs: {
        succeeded: total(succeeded),
        failed: total(failed),
        byAutomation: named([...succeeded, ...failed]).map(({ of: automation }) => ({
          automation,
          succeeded: total(succeeded.filter((row) => row.of === automation)),
          failed: total(failed.filter((row) => row.of === automation)),
        })),
      },
      alerts: { delivered: named(of('alert.delivered')), failed: named(of('alert.failed')) },
      interventions: named(succeeded.filter((row) => INTERVENTIONS.has(row.of))),
      uptimes: services
        .flatMap(({ id, name }) => {
          const percent = uptimes.get(id);
          return percent === undefined ? [] : [{ service: name, percent }];
        })
        .toSorted((one, other) => one.percent - other.percent)
        .slice(0, MOST),
      scores: [
        ...Map.groupBy(scores, ({ report, node: machine }) => JSON.stringify([report, machine])).values(),
      ].flatMap((group) => {
        const [first, last] = [group[0], group.at(-1)];
        if (!first || !last) return [];
        return [
          {
            report: first.report,
            node: first.node,
            lowest: Math.min(...group.map(({ score }) => score)),
            last: last.score,
            points: group.map(({ at, score }) => ({ at: at.toISOString(), score })),
          },
        ];
      }),
    };
  },

  async verify({ ports }, { facts }) {
    const again = await ports.history.counts(TYPES, { from: new Date(facts.from), to: new Date(facts.to) });
    return [
      {
        // An event may be written late; none is taken back.
        name: 'what the summary counts is on record',
        ok: total(again) >= facts.happened,
        evidence: { counted: facts.happened, onRecord: total(again) },
      },
    ];
  },

  record({ facts: { happened: _, ...summary } }) {
    return WeeklySummary.parse(summary);
  },
});

function total(counts: readonly { readonly count: number }[]): number {
  return counts.reduce((all, { count }) => all + count, 0);
}
