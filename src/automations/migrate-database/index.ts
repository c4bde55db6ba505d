import { defineAutomation } from '../../core/automation.ts';
import { locksOf } from '../../core/backup/original.ts';
import { StewardError } from '../../core/errors.ts';
import { unwanted } from '../../core/migration/lint.ts';
import { sourceMeant } from '../../core/migration/pick.ts';
import { analyze, setOf } from './analyze.ts';
import { execute, recoveryIdOf, restoreCommand, rollback } from './execute.ts';
import { plan } from './plan.ts';
import { Input, Output } from './schema.ts';

export default defineAutomation({
  name: 'migrate-database',
  version: 1,
  title: 'Migrate a database',
  summary:
    'Applies numbered SQL files to a database, rehearsed in its last proven copy and after a recovery point; or takes them back.',
  category: 'database',
  effect: 'destructive',
  priority: 'P1',
  ifMissed: 'the schema stays behind the application that needs it',
  load: 'io',
  needs: ['backups', 'copies', 'migrations'],
  cli: ['migrate'],
  cliArguments: ['name'],
  input: Input,
  output: Output,
  examples: [
    { title: 'All that is pending', input: { name: 'shop' } },
    { title: 'Take back the last one', input: { name: 'shop', direction: 'down' } },
  ],
  safeguards: { timeout: '1h', limit: 'long', limitOf: 'change', retry: { attempts: 3, backoff: '5s' } },

  // Whoever copies or restores the database meanwhile would have half of it.
  locks({ name, source }, { backups, migrations }, at) {
    const meant = sourceMeant(migrations.sets(), { name, source });
    return locksOf(backups, meant === undefined ? [] : [meant], at);
  },

  analyze,

  async validate(_ctx, { obstacles }) {
    const [first] = obstacles;
    // Each names its file; a run that is refused says what to do, not only what does not hold.
    if (first)
      throw new StewardError(
        'PRECONDITION_FAILED',
        `${obstacles.map(({ message }) => message).join('; ')}. Nothing was changed.`,
        { hint: first.hint },
      );
    return [];
  },

  plan,

  basis: ({ target, applied, steps }) => ({
    target: { ...target },
    applied: [...applied],
    steps: steps.map(({ version, checksum, downChecksum }) => ({ version, checksum, downChecksum })),
  }),

  execute,

  async verify({ input, ports, run, signal }, { facts: { set, steps, problems, held, engine }, applied }) {
    if (steps.length === 0) return [{ name: 'Nothing was left to do', ok: true, evidence: { engine } }];
    const look = await ports.migrations.look({ ...setOf(ports.migrations.sets(), input), asserting: true }, { signal });
    const rows = new Map(look.rows.map((row) => [row.version, row]));
    const done = steps.map(({ version, file, checksum }) => {
      const row = rows.get(version);
      const ok = input.direction === 'up' ? row?.state === 'applied' && row.checksum === checksum : row === undefined;
      return {
        name: `${file} is ${input.direction === 'up' ? 'applied' : 'taken back'}, and on record`,
        ok,
        evidence: { version, row: row?.state ?? null },
      };
    });
    const unsound = unwanted(
      look.problems.filter((problem) => !problems.includes(problem)),
      { notValid: steps.some(({ notValid }) => notValid) },
    );
    const broken = look.assertions.filter(({ name, holds }) => held.includes(name) && !holds);
    const [before] = applied.some(({ receipt }) => receipt.did === 'copy')
      ? await ports.copies.find({ id: recoveryIdOf(run.id) })
      : [];
    return [
      ...done,
      {
        name: `Nothing in ${look.database} is unsound that was not before`,
        ok: unsound.length === 0,
        evidence: { unsound: unsound.slice(0, 20) },
      },
      ...(held.length > 0
        ? [
            {
              name: 'What its source asserts holds as before',
              ok: broken.length === 0,
              evidence: { asserted: [...held], broken: broken.map(({ name, said }) => ({ name, said })) },
            },
          ]
        : []),
      ...(before
        ? [
            {
              name: 'The copy from before is whole',
              ok: before.status === 'complete',
              evidence: { copy: before.id, source: set.source },
            },
          ]
        : []),
    ];
  },

  record({ facts: { target, engine, steps, set }, applied }) {
    const direction = applied.some(({ change }) => change.id.startsWith('down:')) ? ('down' as const) : ('up' as const);
    const copied = applied.flatMap(({ receipt }) => (receipt.did === 'copy' ? [receipt.copy] : []));
    const [rehearsal = null] = applied.flatMap(({ receipt }) => (receipt.did === 'rehearse' ? [receipt.report] : []));
    const backward = steps.length > 0 && steps.every(({ hasDown }) => hasDown);
    return {
      database: target.database,
      engine,
      direction,
      migrations: applied.flatMap(({ change, receipt }) => {
        if (receipt.did !== 'step') return [];
        const step = steps.find(({ version }) => version === change.version);
        return [
          {
            version: change.version ?? '',
            file: step?.file ?? '',
            seconds: Math.round(receipt.done.durationMs) / 1_000,
            already: receipt.done.already,
          },
        ];
      }),
      rehearsal,
      recoveryPoint: copied[0] ?? null,
      takeBack: [
        ...(backward ? ['steward run undo <this run>'] : []),
        ...copied.map((copy) => `${restoreCommand(set.source, copy)} (what was written since is lost)`),
      ],
    };
  },

  rollback,

  async verifyUndone({ input, ports, run, signal }, { undone }) {
    const { rows } = await ports.migrations.look(setOf(ports.migrations.sets(), input), { signal });
    const versions = rows.map(({ version }) => version);
    // What others applied, or took back, before this run came to it was not undone.
    const others = ({ change, receipt }: (typeof undone)[number]): boolean =>
      receipt?.did === 'step' &&
      receipt.done.already &&
      (input.direction === 'down' || rows.some((row) => row.version === change.version && row.run !== run.id));
    return undone
      .filter((each) => each.change.version !== undefined && !others(each))
      .map(({ change }) => ({
        name: `${change.version} is ${input.direction === 'up' ? 'no longer applied' : 'applied again'}`,
        ok: versions.includes(change.version ?? '') === (input.direction === 'down'),
        evidence: { applied: versions },
      }));
  },
});
