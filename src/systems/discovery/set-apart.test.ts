import { describe, expect, it } from 'vitest';
import { isSetApart } from './set-apart.ts';

const process = (...argv: string[]) => ({ container: undefined, root: { argv } as never });
const container = (labels: Record<string, string>) => ({ container: { labels } as never, root: undefined });

describe('what discovery keeps out of', () => {
  it.each([
    ['a container that says so', container({ 'steward.ignore': 'true' })],
    ['a game day', process('node', '/opt/steward/bin/steward.js', 'game-day', '--json')],
    [
      'its Steward',
      process(
        'node',
        '/opt/steward/bin/steward.js',
        'serve',
        '--config',
        '/tmp/steward-game-day-4f2a1c-x/steward.yaml',
      ),
    ],
    [
      'the store of that',
      process('/tmp/steward-game-day-4f2a1c-x/pg/18.4.0/bin/postgres', '-D', '/tmp/steward-game-day-4f2a1c-x/pg/data'),
    ],
    [
      'its services, whatever engine runs them',
      process('/steward-game-day/node', '/steward-game-day/programs/service.ts', '{}'),
    ],
  ])('is %s', (_what, observation) => {
    expect(isSetApart(observation)).toBe(true);
  });

  it.each([
    ['another container', container({ 'steward.ignore': 'no' })],
    ['a Steward that serves', process('node', '/opt/steward/bin/steward.js', 'serve')],
    ['a service that happens to have a game day', process('node', '/srv/chess/game-day.js')],
  ])('is not %s', (_what, observation) => {
    expect(isSetApart(observation)).toBe(false);
  });
});
