import type { Fault } from '../fault.ts';
import { ofType, started, startsOf, type Statement, type Story } from '../story.ts';

/** Somebody decided: an operator, the configuration, another run. Steward has to respect it. */
export const DECISION_FAULTS: readonly Fault[] = [
  {
    name: 'stopped-by-operator',
    title: 'An operator stops cache with docker stop.',
    services: ['cache'],
    expect: 'left-alone',
    expected: 'known as stopped; no incident, no start',
    inject: (stage) => stage.stop('cache'),
    undo: (stage) => stage.start('cache'),
    further: (story) => [...untouched(story), seenAs('service.stopped', story)],
  },
  {
    name: 'paused-by-operator',
    title: 'An operator freezes cache with docker pause.',
    services: ['cache'],
    expect: 'left-alone',
    expected: 'no start behind the back of the operator',
    inject: (stage) => stage.pause('cache'),
    undo: (stage) => stage.unpause('cache'),
    further: untouched,
  },
  {
    name: 'ends-by-itself',
    title: 'thumbs ends by itself with exit code 0: its work is done.',
    services: ['thumbs'],
    expect: 'left-alone',
    expected: 'known as stopped; no incident, no start',
    inject: (stage) => stage.misbehave('thumbs', { kind: 'exit', code: 0 }),
    undo: (stage) => stage.start('thumbs'),
    further: (story) => [...untouched(story), seenAs('service.stopped', story)],
  },
  {
    name: 'left-to-people',
    title: 'The main process of legacy is killed, and the configuration says restart: never.',
    services: ['legacy'],
    expect: 'escalated',
    expected: 'a person is told at once, and nothing is restarted',
    attempts: [0, 0],
    inject: (stage) => stage.signal('legacy', 'SIGKILL'),
    undo: (stage) => stage.start('legacy'),
    further: untouched,
  },
  {
    name: 'in-maintenance',
    title: 'archive is killed while a maintenance window is open for it; the window is ended eight seconds later.',
    services: ['archive'],
    expect: 'healed',
    expected: 'left alone as long as the window is open, and healed after its end',
    async inject(stage) {
      const { id } = await stage.steward.post<{ id: string }>('create-maintenance', {
        reason: 'an operator moves it to another disk',
        services: [stage.steward.resourceId('archive')],
        for: '10m',
      });
      await stage.signal('archive', 'SIGKILL');
      await stage.watch(8);
      stage.mark('window ended');
      await stage.steward.post('end-maintenance', { id });
    },
    further(story) {
      const ended = story.marks['window ended'] ?? '';
      const early = [
        ...ofType(story, 'incident.opened'),
        ...ofType(story, 'healing.started'),
        ...startsOf(story, ['archive']),
      ].filter(({ at }) => at < ended);
      return [
        {
          name: 'nothing was opened, tried or started in the window',
          ok: ended !== '' && early.length === 0,
          evidence: `${early.length} things before ${ended}`,
        },
      ];
    },
  },
  {
    name: 'held-by-a-run',
    title: 'A run that somebody started works on archive, which is away for seven seconds because of it.',
    services: ['archive'],
    expect: 'left-alone',
    expected: 'healing waits for the run, and has nothing to do when it ends',
    async inject(stage) {
      const { id } = await stage.steward.post<{ id: string }>('automations/restart-service/runs', {
        input: { service: stage.steward.resourceId('archive'), graceSeconds: 20 },
        reason: 'an operator moves it to another disk',
      });
      await stage.until('the run of the operator ends', async () => {
        const { status } = await stage.steward.get<{ status: string }>(`runs/${id}`);
        return ['succeeded', 'failed', 'canceled', 'rolled-back'].includes(status);
      });
    },
    further: (story) => [
      started(story, 'archive', 1),
      {
        name: 'archive answers',
        ok: story.after.archive?.well === true,
        evidence: String(story.after.archive?.says),
      },
    ],
  },
];

function untouched(story: Story): Statement[] {
  return Object.keys(story.struck).map((service) => started(story, service, 0));
}

function seenAs(type: string, story: Story): Statement {
  const found = ofType(story, type);
  return {
    name: `it was seen as ${type}`,
    ok: found.length > 0,
    evidence: found.map(({ at }) => at).join(', ') || 'no',
  };
}
