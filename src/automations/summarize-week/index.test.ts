import { describe, expect, it } from 'vitest';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import summarizeWeek from './index.ts';

const NOW = new Date('2026-03-29T08:00:00Z');
const before = (hours: number): Date => new Date(NOW.getTime() - hours * 3_600_000);

describe('summarize-week', () => {
  it('counts what happened by what it was about, and leaves out what is older', async () => {
    const ports = fakePorts({ now: () => NOW });
    const { history } = ports;
    history.happened({ type: 'incident.opened', count: 3 });
    history.happened({ type: 'incident.resolved', count: 2 });
    history.happened({ type: 'healing.succeeded', of: 'restart-service', count: 2 });
    history.happened({ type: 'backup.proven', of: 'crm', count: 7 });
    history.happened({ type: 'run.finished', of: 'backup', status: 'succeeded', count: 28 });
    history.happened({ type: 'run.finished', of: 'backup', status: 'rolled-back', count: 1 });
    history.happened({ type: 'run.finished', of: 'migrate-database', status: 'succeeded' });
    history.happened({ type: 'run.finished', of: 'backup', status: 'canceled' });
    history.happened({ type: 'alert.delivered', of: 'mail', count: 5 });
    history.addScore({ report: 'health', node: 'n1', at: before(200), score: 10 });
    history.addScore({ report: 'health', node: 'n1', at: before(30), score: 80 });
    history.addScore({ report: 'health', node: 'n1', at: before(6), score: 95 });
    history.wasUp('s1', 99.5);
    ports.inventory.put(aResource({ id: 's1', name: 'shop', kind: 'service' }));

    const { status, output } = await performInMemory(summarizeWeek, { ports, input: {}, now: () => NOW });
    expect(status).toBe('succeeded');
    expect(output).toMatchObject({
      incidents: { opened: 3, resolved: 2, escalated: 0 },
      heals: { succeeded: 2, failed: 0 },
      copies: { made: 0, proven: [{ of: 'crm', count: 7 }] },
      runs: {
        succeeded: 29,
        failed: 1,
        byAutomation: [
          { automation: 'backup', succeeded: 28, failed: 1 },
          { automation: 'migrate-database', succeeded: 1, failed: 0 },
        ],
      },
      alerts: { delivered: [{ of: 'mail', count: 5 }], failed: [] },
      interventions: [{ of: 'migrate-database', count: 1 }],
      uptimes: [{ service: 'shop', percent: 99.5 }],
      scores: [{ report: 'health', node: 'n1', lowest: 80, last: 95, points: [{ score: 80 }, { score: 95 }] }],
    });
  });
});
