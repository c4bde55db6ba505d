import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { AnyAutomation } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import { inspectWorkflows } from './inspect-workflows.ts';
import { parseConfig } from './load.ts';
import type { Config } from './schema.ts';

const output = z.object({ path: z.string(), free: z.number() });
const automation = (name: string, input: z.ZodObject): AnyAutomation =>
  ({ name, input, output }) as unknown as AnyAutomation;
const automations = new Map(
  [
    automation(
      'copy',
      z.object({ from: z.string(), to: z.string().startsWith('/'), keep: z.number().int().default(3) }),
    ),
    automation('look', z.object({})),
  ].map((one) => [one.name, one]),
);
const inspect = ({ workflows: { custom } }: Config) =>
  inspectWorkflows(custom, { automations, taken: ['auto_backup', 'backup_postgres'] }, ['workflows', 'custom']);

const HEAD = 'workflows:\n  custom:\n';
/** What is wrong with a file, as whoever wrote it is told. */
function problems(text: string): string[] {
  try {
    parseConfig(`${HEAD}${text}`, { file: '/etc/steward.yaml', inspect });
    return [];
  } catch (thrown) {
    return (StewardError.from(thrown).problems ?? []).map(({ path, message }) => `${path}: ${message}`);
  }
}
const flow = (...steps: string[]): string =>
  `    - name: mine\n      steps:\n${steps.map((step) => `        - ${step}\n`).join('')}`;

describe('workflows of the configuration', () => {
  it('are taken with references, conditions, waits, branches and triggers of every kind', () => {
    const text = `
    - name: nightly-copy
      triggers:
        - schedule: { cron: '0 3 * * *', zone: Europe/Berlin }
          context: { folder: /srv }
        - event: service.*
          where: [{ from: data.problem, in: [disk.full] }]
          debounce: 5m
          atMost: 1h
        - { event: incident.opened, count: 3, within: 10m, by: [], throttle: 1h }
      steps:
        - { id: look, automation: look }
        - id: ask
          wait: { person: { text: 'Copy {context.folder}?' }, timeout: 2h, default: no }
        - id: copy
          automation: copy
          input: { from: { from: context.folder }, to: { from: steps.look.output.path }, keep: 7 }
          when: [{ from: steps.look.output.free, above: 10 }]
          retry: { attempts: 3 }
          onError: [{ id: look-why, automation: look }]
        - { id: left, needs: [look], automation: look }
        - { id: up, needs: [copy, left], wait: { event: service.up, where: [{ from: subject.id, equals: { from: context.event.subject.id } }], timeout: 5m } }
      onError: [{ id: told, automation: copy, input: { from: { from: error.message }, to: /dev/null } }]
`;
    const { config } = parseConfig(`${HEAD}${text}`, { file: 'steward.yaml', inspect });
    expect(config.workflows.custom[0]).toMatchObject({
      name: 'nightly-copy',
      title: 'nightly-copy',
      origin: 'user',
      triggers: [{ kind: 'schedule' }, { kind: 'event', debounce: '5m' }, { kind: 'event', count: 3, by: [] }],
      steps: [{ id: 'look', title: 'look' }, {}, { retry: { attempts: 3, backoff: '30s' } }, {}, {}],
    });
  });

  it.each([
    [
      'an automation that does not exist',
      flow('{ id: a, automation: lok }'),
      'lok',
      "steps.0.automation: there is no automation 'lok': did you mean look?",
    ],
    [
      'an input of another kind',
      flow('{ id: a, automation: copy, input: { from: x, to: /y, keep: many } }'),
      'many',
      'steps.0.input.keep: expected a number, found text',
    ],
    [
      'an input that is missing',
      flow('{ id: a, automation: copy, input: { from: x } }'),
      '{ from: x',
      'steps.0.input.to: is missing: expected text',
    ],
    [
      'an input that is not known',
      flow('{ id: a, automation: copy, input: { from: x, to: /y, kep: 1 } }'),
      'kep',
      'steps.0.input.kep: is not known: did you mean keep?',
    ],
    [
      'a step that does not exist',
      flow(
        '{ id: a, automation: look }',
        '{ id: b, automation: copy, input: { to: /y, from: { from: steps.c.output.x } } }',
      ),
      '{ from: steps.c',
      "steps.1.input.from: there is no step 'c': did you mean a? before this one",
    ],
    [
      'a step that comes later',
      flow(
        '{ id: a, automation: look, when: [{ from: steps.b.output.x, exists: true }] }',
        '{ id: b, automation: look }',
      ),
      'steps.b',
      "steps.0.when.0.from: there is no step 'b': expected one of none before this one",
    ],
    [
      'an expression that begins nowhere',
      flow('{ id: a, automation: copy, input: { to: /y, from: { text: "{contxt.x}" } } }'),
      '{ text:',
      "steps.0.input.from: expected a path that begins with context, steps, execution, error; found 'contxt': did you mean context?",
    ],
    [
      'what is no path',
      flow("{ id: a, automation: look, when: [{ from: 'a b', exists: true }] }"),
      "'a b'",
      'steps.0.when.0.from: expected a path such as steps.backup.output.path',
    ],
    [
      'a member that a step does not have',
      flow('{ id: a, automation: look }', '{ id: b, automation: look, when: [{ from: steps.a.path, exists: true }] }'),
      'steps.a.path',
      'steps.1.when.0.from: a step has output, status, message, runId: expected steps.a.output.path',
    ],
    [
      'an output that a step does not give',
      flow(
        '{ id: a, automation: look }',
        '{ id: b, automation: look, when: [{ from: steps.a.output.pth, exists: true }] }',
      ),
      'steps.a.output.pth',
      "steps.1.when.0.from: the step a gives no 'pth': did you mean path?",
    ],
    [
      'a circle',
      flow('{ id: a, automation: look, needs: [b] }', '{ id: b, automation: look, needs: [a] }'),
      '[b]',
      'steps.0.needs: goes round in a circle: a needs itself by way of these',
    ],
    [
      'an id that is there already',
      flow('{ id: a, automation: look }', '{ id: same, automation: look }', '{ id: same , automation: look }'),
      'same ,',
      "steps.2.id: 'same' is the id of an earlier step",
    ],
    [
      'the name of what ships',
      '    - { name: backup-postgres, steps: [{ id: a, automation: look }] }\n',
      'backup-postgres',
      "name: 'backup_postgres' is the name of something else",
    ],
    [
      'an event that does not exist',
      '    - { name: m, triggers: [{ event: servce.* }], steps: [{ id: a, automation: look }] }\n',
      'servce',
      'triggers.0.event: expected the type of an event such as service.down',
    ],
    [
      'a schedule that cannot be read',
      "    - { name: m, triggers: [{ schedule: { cron: '61 * * * *' } }], steps: [{ id: a, automation: look }] }\n",
      "'61",
      'triggers.0.schedule.cron: ',
    ],
    [
      'count without within',
      '    - { name: m, triggers: [{ event: service.up, count: 3 }], steps: [{ id: a, automation: look }] }\n',
      '3 }',
      'triggers.0.count: expected within: 10m beside count',
    ],
    [
      'two kinds of wait',
      flow('{ id: a, wait: { for: 1m, event: service.up } }'),
      'service.up',
      'steps.0.wait.event: expected one of for, until, event, person',
    ],
    [
      'a member of another wait',
      flow('{ id: a, wait: { for: 1m, role: admin } }'),
      'admin',
      'steps.0.wait.role: does not belong to a wait with for: expected for',
    ],
    [
      'a default that is no answer',
      flow('{ id: a, wait: { person: Really?, default: maybe, timeout: 1h } }'),
      'maybe',
      'steps.0.wait.default: expected one of yes, no',
    ],
    [
      'a step that does nothing',
      flow('{ id: a }'),
      '{ id: a }',
      'steps.0: expected either automation or wait in the step a',
    ],
    [
      'the error outside of its branch',
      flow('{ id: a, automation: copy, input: { to: /y, from: { from: error.message } } }'),
      '{ from: error',
      'steps.0.input.from: only steps of onError are told of an error',
    ],
  ])('say where %s stands', (_what, text, marker, expected) => {
    const before = `${HEAD}${text}`.slice(0, `${HEAD}${text}`.indexOf(marker)).split('\n');
    const place = `steward.yaml:${before.length}:${(before.at(-1) ?? '').length + 1}`;
    expect(problems(text)).toEqual([expect.stringContaining(`${place} workflows.custom.0.${expected}`)]);
  });
});
