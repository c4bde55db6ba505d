import { expect, it } from 'vitest';
import commands from './commands.json' with { type: 'json' };
import { readEnvironment } from './config/environment.ts';
import { localCommands } from './local-commands.ts';
import { TASKS } from './systems/checklists/tasks.ts';

it('a checklist names only commands that there are', () => {
  const all = [...commands.operations, ...commands.automations, ...localCommands(readEnvironment({}))];
  const known = new Set(all.map(({ words = [] }) => words.join(' ')));
  const named = TASKS.flatMap(({ how }) => [...how.matchAll(/\bsteward ([a-z-]+)(?: ([a-z-]+))?/g)]);
  expect(named.length).toBeGreaterThan(8);
  const unknown = named.filter(
    ([, first = '', second = '']) => !known.has(first) && !known.has(`${first} ${second}`.trim()),
  );
  expect(unknown.map(([text]) => text)).toEqual([]);
});
