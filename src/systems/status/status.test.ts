import { describe, expect, it } from 'vitest';
import type { Call } from '../../core/operation.ts';
import { createStatus, judge, type Situation, type StatusDeps } from './index.ts';

const quiet: Situation = { services: { up: 5 }, incidents: [], waitingApproval: 0, storeOk: true, critical: 0 };
const call: Call = {
  actor: { kind: 'user', id: 'usr_1', name: 'ada', role: 'viewer' },
  now: new Date(0),
  from: 'local',
  requestId: 'r',
};

describe('the first sentence', () => {
  it.each<[Partial<Situation>, string, string]>([
    [{}, 'ok', 'Everything is all right: all 5 services are up.'],
    [{ services: { up: 1, stopped: 2 } }, 'ok', 'Everything is all right: the one service is up.'],
    [{ services: {} }, 'unknown', 'No service is being watched yet.'],
    [{ services: { up: 4, pending: 1 } }, 'unknown', 'Nothing is down; about 1 service nothing can be said yet.'],
    [
      { services: { up: 4, degraded: 1 } },
      'attention',
      'Nothing is down; 1 service is slower or answering with less than they should.',
    ],
    [{ services: { up: 4, down: 1 } }, 'broken', '1 service is down.'],
    [
      { incidents: [{ title: 'nginx is down', status: 'escalated', severity: 'critical' }] },
      'broken',
      'You are needed: nginx is down.',
    ],
    [
      { incidents: [{ title: 'nginx is down', status: 'healing', severity: 'critical' }], waitingApproval: 2 },
      'attention',
      '2 plans wait for your approval; 1 incident is open, being healed.',
    ],
    [{ waitingAnswer: 1 }, 'attention', '1 workflow asks you something.'],
    [{ storeOk: false }, 'broken', 'The store does not answer, so nothing can be said about the rest.'],
  ])('of %j is %s', (change, verdict, sentence) => {
    expect(judge({ ...quiet, ...change })).toEqual({ verdict, sentence });
  });
});

describe('the status', () => {
  const deps: StatusDeps = {
    version: '1.2.3',
    node: { id: 'nod_1', name: 'n1' },
    startedAt: new Date(0),
    store: () => ({ ok: true, mode: 'bundled', latencyMs: 1 }),
    workflows: () => ({ active: 6, triggers: 9 }),
    scaling: () => ({ cpu: 12.5, memory: 40, active_nodes: 1 }),
    healing: () => ({
      overall_status: 'healthy',
      components: [],
      stats: { total_checks: 10, healthy: 10, successful_healings: 2 },
    }),
    intelligence: () => ({ learned_patterns: 0, pending_optimizations: 0, high_impact_suggestions: 0 }),
    discovery: async () => ({ services: 5 }),
    services: () => ({ up: 5 }),
    incidents: () => [],
    waitingApproval: () => 0,
    waitingAnswer: () => 0,
    delivery: () => ({ channels: 0, failing: [], deadMan: false }),
    notices: () => [{ id: 'no-channel', level: 'warning', text: 'No alert channel is configured.' }],
  };
  const ask = async (name: string): Promise<unknown> => {
    const operation = createStatus(deps).operations.find((each) => each.name === name);
    return operation?.output.parse(await operation.handle({}, call));
  };

  it('has the exact shape that scripts rely on', async () => {
    expect(await ask('automation-status')).toEqual({
      workflows: { active: 6, triggers: 9 },
      scaling: { cpu: 12.5, memory: 40, active_nodes: 1 },
      healing: {
        overall_status: 'healthy',
        components: [],
        stats: { total_checks: 10, healthy: 10, successful_healings: 2 },
      },
      intelligence: { learned_patterns: 0, pending_optimizations: 0, high_impact_suggestions: 0 },
      discovery: { services: 5 },
    });
  });

  it('carries notices and delivery in the overview', async () => {
    expect(await ask('overview')).toMatchObject({
      verdict: 'ok',
      node: { name: 'n1' },
      delivery: { channels: 0 },
      notices: [{ id: 'no-channel' }],
    });
  });
});
