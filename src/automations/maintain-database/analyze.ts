import type { Context } from '../../core/automation.ts';
import { pickCopy } from '../../core/backup/pick.ts';
import { type BackupSource, DATABASE_KINDS } from '../../core/backup/source.ts';
import type { DatabaseLook } from '../../core/database/look.ts';
import { type Asked, tasksFor } from '../../core/database/rules.ts';
import { asSkipped, type FitnessTask } from '../../core/database/task.ts';
import { StewardError } from '../../core/errors.ts';
import type { CopiesPort } from '../../core/ports/copies.ts';
import { mayReplan, plansNow } from '../../core/database/compare-plans.ts';
import type { Facts, SeenSource, SourceTask } from '../../core/database/maintenance.ts';
import { isRead, refusedBy, rehearse, wantedOf } from '../../core/database/rehearse.ts';
import type { Input } from './schema.ts';

/** A plan has at most 500 changes; what is above is left for the next run. */
export const MOST_TASKS = 400;
const MOST_TOLD = 200;
const MOST_SLOW = 20;

type Needs = 'backups' | 'copies' | 'fitness';

export async function analyze(context: Context<Input, Needs>): Promise<Facts> {
  const { input, ports, now, node, run, signal } = context;
  const at = now();
  const wanted = chosen(ports.backups.sources(), ports.fitness.kinds(), input);
  const sources: SeenSource[] = [];
  const tasks: SourceTask[] = [];
  const { rules, slowMs } = ports.fitness.settings();
  const byItself = run.trigger === 'schedule' || run.trigger === 'event';
  for (const { name, kind } of wanted.sources) {
    const proven = await provenCopy(ports, name);
    try {
      const asleep = await whyNotNow(ports.copies, name, byItself);
      const look = await ports.fitness.look(
        name,
        { slowMs, measure: mayBuild(input, ports.fitness.inWindow(at)), run: run.id },
        { signal },
      );
      const databases = wanted.databasesOf(look);
      if (databases?.length === 0) continue;
      const asked: Asked = {
        now: at,
        light: input.vacuum !== 'never',
        heavy: input.optimize === 'daily' ? 'now' : input.optimize === 'weekly' ? 'window' : 'never',
        inWindow: ports.fitness.inWindow(at),
        nextWindow: ports.fitness.nextWindow(at),
        proven: proven !== null,
        done: await ports.fitness.done(name),
        // A person who asks has a reason; one schedule after the other has none.
        restMs: byItself ? REST_MS : 0,
        databases,
      };
      const days =
        input.vacuum === 'daily' ? { vacuumMs: DAY_MS } : input.vacuum === 'weekly' ? { vacuumMs: WEEK_MS } : {};
      const { due, skipped } = tasksFor(look, { ...rules, ...days }, asked);
      const meanwhile = asleep === undefined ? [] : due.map((task) => asSkipped(task, asleep));
      if (asleep === undefined) tasks.push(...due.map((task, place) => ofSource(name, look, { task, place })));
      sources.push({
        name,
        kind,
        look: shortOf(input.analyze_slow || input.auto_index ? look : { ...look, slow: [] }, databases),
        problem: null,
        proven,
        skipped: [...meanwhile, ...skipped].slice(0, MOST_TOLD),
        skippedInAll: skipped.length + meanwhile.length,
        plans:
          asleep === undefined && due.some(mayReplan)
            ? await plansNow(context, name, [...new Set(due.filter(mayReplan).map(({ database }) => database))])
            : null,
      });
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      const { message, hint } = StewardError.from(thrown);
      const problem = { message, hint: hint ?? null };
      sources.push({ name, kind, look: null, problem, proven, skipped: [], skippedInAll: 0, plans: null });
    }
  }
  wanted.mustBe(sources.length);
  const facts = { at: at.toISOString(), node: node.name, sources, ...worstOf(tasks) };
  return isRead(run) ? await rehearsed(context, facts) : { ...facts, rehearsals: [] };
}

/** Tried where it harms nobody, before anybody is asked: what failed there is no part of the plan. */
async function rehearsed(context: Context<Input, Needs>, facts: Omit<Facts, 'rehearsals'>): Promise<Facts> {
  const rehearsals: Facts['rehearsals'][number][] = [];
  const refused = new Map<SourceTask, string>();
  for (const { name, proven } of facts.sources) {
    const wanted = wantedOf(facts, name, context.input);
    if (!proven || wanted.tasks.length === 0) continue;
    const came = await rehearse(context, { source: name, proven, ...wanted });
    rehearsals.push({ source: name, copy: proven.copy, ...came });
    for (const task of facts.tasks) {
      const why = task.source === name ? refusedBy(came, task) : undefined;
      if (why !== undefined) refused.set(task, why);
    }
  }
  const sources = facts.sources.map((source) => {
    const some = [...refused].filter(([task]) => task.source === source.name);
    const skipped = [...some.map(([task, why]) => asSkipped(task, why)), ...source.skipped].slice(0, MOST_TOLD);
    return { ...source, skipped, skippedInAll: source.skippedInAll + some.length };
  });
  return { ...facts, sources, tasks: facts.tasks.filter((task) => !refused.has(task)), rehearsals };
}

/** What gives most back, then what is largest; whatever does not fit is due again in the next run, and then among the worst. */
function worstOf(tasks: readonly SourceTask[]): Pick<Facts, 'tasks' | 'left'> {
  const first = ({ kind }: SourceTask): number => (kind === 'drop-invalid-index' ? 0 : 1);
  const worst = tasks.toSorted(
    (a, b) => first(a) - first(b) || (b.expectedBytes ?? 0) - (a.expectedBytes ?? 0) || (b.bytes ?? 0) - (a.bytes ?? 0),
  );
  const now = new Set(worst.slice(0, MOST_TASKS));
  const left = Map.groupBy(worst.slice(MOST_TASKS), ({ source }) => source);
  return {
    tasks: tasks.filter((task) => now.has(task)),
    left: [...left].map(([source, some]) => ({ source, tasks: some.length })),
  };
}

/** What nobody asked for waits until there is a new copy to go back to. */
async function whyNotNow(copies: CopiesPort, source: string, byItself: boolean): Promise<string | undefined> {
  const known = await copies.find({ source });
  if (known.some(({ status }) => status === 'writing')) return 'it is being backed up';
  const places = [...Map.groupBy(known, ({ repository }) => repository).values()].map((those) =>
    those.reduce((one, other) => (other.sequence > one.sequence ? other : one)),
  );
  const failed = places.length > 0 && places.every(({ status }) => status === 'failed');
  return byItself && failed ? 'its last copy failed: it is backed up first' : undefined;
}

/** Bloat is read page by page: only where something may follow from it. */
const mayBuild = ({ optimize }: Input, inWindow: boolean): boolean =>
  optimize === 'daily' || (optimize === 'weekly' && inWindow);

const DAY_MS = 86_400_000;
/** An hour less than a day: what ran after three yesterday rests at two today, and is due after three again. */
const REST_MS = 23 * 3_600_000;
const WEEK_MS = 7 * DAY_MS;

function ofSource(
  source: string,
  look: DatabaseLook,
  { task, place }: { readonly task: FitnessTask; readonly place: number },
): SourceTask {
  const { kind, database, object } = task;
  const held =
    look.indexes.find((index) => index.database === database && index.name === object) ??
    look.tables.find((table) => table.database === database && table.name === object) ??
    look.databases.find(({ name }) => name === database);
  const id = `${kind}:${source}:${database}${object === undefined ? '' : `:${object}`}`;
  return {
    ...task,
    id: id.length <= 200 ? id : `${id.slice(0, 180)}#${place}`,
    source,
    bytes: held?.bytes ?? null,
  };
}

function shortOf(look: DatabaseLook, only: readonly string[] | undefined): NonNullable<SeenSource['look']> {
  const { version, databases, connections, cacheHitRatio, fragmentation, blind, slow, settings } = look;
  return {
    version,
    databases: databases.slice(0, MOST_TOLD),
    connections,
    cacheHitRatio,
    fragmentation,
    blind,
    ...(settings && { settings }),
    slow: slow.filter(({ database }) => only === undefined || only.includes(database)).slice(0, MOST_SLOW),
  };
}

async function provenCopy(ports: Parameters<typeof pickCopy>[0], source: string): Promise<SeenSource['proven']> {
  try {
    const { id, repository, location, provenAt } = await pickCopy(ports, { source });
    return provenAt === null ? null : { copy: id, place: { source, repository, location } };
  } catch (thrown) {
    if (StewardError.from(thrown).code === 'NOT_FOUND') return null;
    throw thrown;
  }
}

interface Chosen {
  readonly sources: readonly Pick<BackupSource, 'name' | 'kind'>[];
  /** Which databases of a server are meant; all where it is undefined. */
  databasesOf(look: DatabaseLook): string[] | undefined;
  mustBe(found: number): void;
}

/** A name is that of a source, or of a database in one of them. */
function chosen(all: readonly BackupSource[], kinds: readonly string[], { sources, database }: Input): Chosen {
  const fit = all.filter(({ kind }) => DATABASE_KINDS.has(kind) && kinds.includes(kind));
  const known = `There are: ${fit.map(({ name }) => name).join(', ') || 'none'}.`;
  for (const name of sources ?? [])
    if (!fit.some((source) => source.name === name))
      throw new StewardError('NOT_FOUND', `The configuration has no database source '${name}'.`, { hint: known });
  const named = fit.filter(({ name }) => sources === undefined || sources.includes(name));
  const asSource = database === undefined ? undefined : named.filter(({ name }) => name === database);
  if (database === undefined || (asSource && asSource.length > 0))
    return { sources: asSource ?? named, databasesOf: () => undefined, mustBe: () => undefined };
  return {
    sources: named,
    databasesOf: ({ databases }) => databases.map(({ name }) => name).filter((name) => name === database),
    mustBe(found) {
      if (found === 0)
        throw new StewardError('NOT_FOUND', `No source has a database '${database}', and none is called so.`, {
          hint: known,
        });
    },
  };
}
