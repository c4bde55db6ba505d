import type { Fault } from '../fault.ts';
import { started } from '../story.ts';

const RESTARTED = 'restarted once, proven, and the incident closed without a person';

/** The process lives, and its answers are wrong, late or missing. */
export const ANSWER_FAULTS: readonly Fault[] = [
  {
    name: 'http-500',
    title: 'web is wedged: it answers every health check with 500.',
    services: ['web'],
    expect: 'healed',
    expected: RESTARTED,
    inject: (stage) => stage.misbehave('web', { kind: 'wedge' }),
  },
  {
    name: 'hangs',
    title: 'api accepts connections and never answers.',
    services: ['api'],
    expect: 'healed',
    expected: 'woken in vain, as nothing stopped it, then restarted once',
    attempts: [2, 2],
    further: (story) => [started(story, 'api', 1)],
    inject: (stage) => stage.misbehave('api', { kind: 'hang' }),
  },
  {
    name: 'port-closed',
    title: 'cache closes its port; its process lives on.',
    services: ['cache'],
    expect: 'healed',
    expected: RESTARTED,
    inject: (stage) => stage.misbehave('cache', { kind: 'close-port' }),
  },
  {
    name: 'relapses',
    title: 'thumbs is wedged, and wedged again two seconds after its first restart.',
    services: ['thumbs'],
    expect: 'healed',
    expected: 'the first restart does not count, the second one does',
    attempts: [2, 2],
    async inject(stage) {
      await stage.misbehave('thumbs', {
        kind: 'remember',
        mood: { relapses: { times: 1, afterMs: 2_000 } },
      });
      await stage.misbehave('thumbs', { kind: 'wedge' });
    },
  },
  {
    name: 'flaps',
    title: 'feed works for a while and fails for a while, also after every restart.',
    services: ['feed'],
    expect: 'escalated',
    expected: 'one incident and one alert, however often it comes and goes',
    attempts: [1, 3],
    withinSeconds: 240,
    async inject(stage) {
      await stage.misbehave('feed', {
        kind: 'remember',
        mood: { relapses: { times: 99, afterMs: 2_500 } },
      });
      await stage.misbehave('feed', { kind: 'wedge' });
    },
  },
  {
    name: 'crash-loop',
    title: 'importer ends with exit code 1, and so does every start of it: its configuration is broken.',
    services: ['importer'],
    expect: 'escalated',
    expected: 'a few attempts, one alert with what was learned, and no restart after that',
    attempts: [1, 3],
    withinSeconds: 240,
    inject: (stage) => stage.misbehave('importer', { kind: 'remember', mood: { failsAtStart: true }, thenExit: 1 }),
  },
];
