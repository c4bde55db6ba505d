import { describe, expect, it } from 'vitest';
import { isSettled, judge } from './judge.ts';
import { automationRate } from './report.ts';
import type { SeenEvent, Story } from './story.ts';

const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 12, 0, second)).toISOString();
let ids = 0;
const event = (second: number, type: string, data: Record<string, unknown> = {}): SeenEvent => ({
  id: (ids += 1),
  type,
  at: at(second),
  subject: { kind: 'incident', id: 'inc_1' },
  data: { resourceId: 'svc_web', incidentId: 'inc_1', ...data },
});

const HEALED: Story = {
  struckAt: at(0),
  struck: { web: 'svc_web' },
  bystanders: {},
  events: [
    event(3, 'incident.opened', { title: 'web is down' }),
    event(4, 'healing.started', { attempt: 1 }),
    event(9, 'healing.succeeded', { outcome: 'The symptom stayed away.' }),
    event(10, 'incident.resolved', { resolution: 'Healed.' }),
  ],
  containers: [
    { service: 'web', action: 'die', at: at(0) },
    { service: 'web', action: 'start', at: at(5) },
  ],
  runs: [
    {
      id: 'run_1',
      automation: 'restart-service',
      status: 'succeeded',
      trigger: 'healing',
      createdAt: at(4),
      target: { id: 'svc_web', name: 'web' },
      causation: { incidentId: 'inc_1' },
      checks: [{ name: 'web answers', ok: true }],
    },
  ],
  alerts: [],
  marks: {},
  after: { web: { well: true, says: '200' } },
};

const ESCALATED: Story = {
  ...HEALED,
  events: [
    event(3, 'incident.opened', { title: 'web is down' }),
    event(4, 'healing.started', { attempt: 1 }),
    event(20, 'incident.escalated', { why: 'It did not help. Look at its log.' }),
  ],
  alerts: [{ kind: 'escalated', title: 'Needs a person', text: 'It did not help.', incidentId: 'inc_1' }],
  after: { web: { well: false, says: 'ECONNREFUSED' } },
};

const NOTHING: Story = { ...HEALED, events: [], containers: [], runs: [] };

const without = (story: Story, type: string): Story => ({
  ...story,
  events: story.events.filter((each) => each.type !== type),
});
const withEvent = (story: Story, more: SeenEvent): Story => ({ ...story, events: [...story.events, more] });

describe('a fault that is to be healed', () => {
  it('is told from the trouble that came before it, which is an incident of its own', () => {
    const herald = { incidentId: 'inc_0', symptom: 'memory.high' };
    const opened = event(1, 'incident.opened', herald);
    const over = [opened, event(2, 'incident.resolved', herald)];
    const fault = { expect: 'healed', heralds: ['memory.high'] } as const;
    const both = { ...HEALED, events: [...over, ...HEALED.events] };
    expect(isSettled(fault, { ...HEALED, events: over })).toBe(false);
    expect(isSettled(fault, both)).toBe(true);
    expect(judge(fault, both)).toMatchObject({ outcome: 'healed', incidents: ['inc_1'] });
    expect(judge({ expect: 'healed' }, both).outcome).toBe('missed');
  });

  it('counts where it was noticed, healed once, proven, and answers again', () => {
    expect(judge({ expect: 'healed' }, HEALED)).toMatchObject({
      outcome: 'healed',
      seconds: 10,
      incidents: ['inc_1'],
      runs: ['run_1'],
    });
  });

  it.each<[string, Story]>([
    ['nothing was noticed', NOTHING],
    ['the symptom did not stay away', without(HEALED, 'healing.succeeded')],
    ['the incident is still open', without(HEALED, 'incident.resolved')],
    ['it came back by itself', { ...without(HEALED, 'healing.started'), runs: [] }],
    ['the run did not prove it', { ...HEALED, runs: HEALED.runs.map((run) => ({ ...run, checks: [] })) }],
    ['the run failed', { ...HEALED, runs: HEALED.runs.map((run) => ({ ...run, status: 'failed' })) }],
    ['it does not answer', { ...HEALED, after: { web: { well: false, says: '500' } } }],
    ['it took more attempts than it may', withEvent(HEALED, event(6, 'healing.started'))],
    ['it became two incidents', withEvent(HEALED, event(6, 'incident.opened', { incidentId: 'inc_2' }))],
  ])('is missed where %s', (_what, story) => {
    expect(judge({ expect: 'healed' }, story).outcome).toBe('missed');
  });

  it('is missed where something happened to whoever suffered along', () => {
    const story: Story = { ...HEALED, bystanders: { api: 'svc_api' } };
    expect(judge({ expect: 'healed' }, story).outcome).toBe('healed');
    const restarted: Story = {
      ...story,
      containers: [...story.containers, { service: 'api', action: 'start', at: at(6) }],
    };
    const blamed = withEvent(story, event(5, 'incident.opened', { resourceId: 'svc_api', incidentId: 'inc_2' }));
    for (const each of [restarted, blamed]) expect(judge({ expect: 'healed' }, each).outcome).toBe('missed');
  });
});

describe('a fault that is to be escalated', () => {
  const fault = { expect: 'escalated', attempts: [1, 3] } as const;

  it('counts where a person was told once and it was left alone from then on', () => {
    expect(judge(fault, ESCALATED)).toMatchObject({ outcome: 'escalated', seconds: 20 });
  });

  it.each<[string, Story]>([
    ['nobody was called', without(ESCALATED, 'incident.escalated')],
    ['nobody heard of it', { ...ESCALATED, alerts: [] }],
    ['somebody heard of it twice', { ...ESCALATED, alerts: [...ESCALATED.alerts, ...ESCALATED.alerts] }],
    [
      'it was restarted afterwards',
      { ...ESCALATED, containers: [...ESCALATED.containers, { service: 'web', action: 'start', at: at(25) }] },
    ],
    ['nothing was tried', without(ESCALATED, 'healing.started')],
  ])('is missed where %s', (_what, story) => {
    expect(judge(fault, story).outcome).toBe('missed');
  });
});

describe('a fault that is to be left alone', () => {
  it('counts where nothing was done, and is missed where something was', () => {
    expect(judge({ expect: 'left-alone' }, NOTHING)).toMatchObject({ outcome: 'left-alone', seconds: undefined });
    expect(judge({ expect: 'left-alone' }, HEALED).outcome).toBe('missed');
    expect(judge({ expect: 'left-alone' }, ESCALATED).outcome).toBe('missed');
  });
});

describe('waiting', () => {
  it('ends when the incident is over, not before, and not where it was opened again', () => {
    expect(isSettled({ expect: 'healed' }, HEALED)).toBe(true);
    expect(isSettled({ expect: 'healed' }, without(HEALED, 'incident.resolved'))).toBe(false);
    expect(isSettled({ expect: 'healed' }, withEvent(HEALED, event(12, 'incident.opened')))).toBe(false);
  });

  it('ends where a person was called instead', () => {
    expect(isSettled({ expect: 'healed' }, ESCALATED)).toBe(true);
  });
});

describe('the automation rate', () => {
  it('is what came out as it should, of what was injected, and never rounded up', () => {
    expect(automationRate(['healed', 'escalated', 'left-alone', 'missed'])).toBe(75);
    expect(automationRate([...Array.from({ length: 2_999 }, () => 'healed'), 'missed'])).toBe(99.9);
    expect(automationRate(['missed'])).toBe(0);
    expect(automationRate([])).toBe(0);
  });
});
