import type { ChangeEntry } from '../../core/change-log.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import type { Resource } from '../../core/resource.ts';
import type { Suspect } from './dependencies.ts';

/** A first guess at the cause, made by rules, with what speaks for it and what against. */
export interface Hypothesis {
  readonly statement: string;
  readonly for: readonly string[];
  readonly against: readonly string[];
}

export interface Known {
  readonly resource: Pick<Resource, 'id' | 'name' | 'product'>;
  readonly at: Date;
  /** As the evidence was collected: text of the machine, which says what it is but never what to do. */
  readonly collected: Json;
  /** What it needs and what fails, too. */
  readonly dependencies: readonly Suspect[];
  /** Of the hour before, the oldest first. */
  readonly changes: readonly ChangeEntry[];
}

const MINUTE_MS = 60_000;
/** What changed so long before is a weak reason; what broke by it breaks sooner as a rule. */
const SOON_MS = 15 * MINUTE_MS;
const FULL_PERCENT = 98;
const MOST = 3;

/** The likeliest first: what was seen comes before what merely happened before. Nothing where nothing points anywhere. */
export function hypotheses(known: Known): Hypothesis[] {
  return [...dependency(known), ...memory(known), ...disk(known), ...change(known)].slice(0, MOST);
}

function dependency({ dependencies, resource }: Known): Hypothesis[] {
  return dependencies.slice(0, 1).map(({ resource: needed, status }) => ({
    statement: `${needed.name}, which ${resource.name} needs, fails too.`,
    for: status.checks.flatMap(({ state, last }) =>
      state !== 'up' && last ? [`${needed.name}: ${last.message}`] : [],
    ),
    against: [],
  }));
}

function memory({ collected }: Known): Hypothesis[] {
  const { oomKilled, result, exitCode } = member(collected, 'supervisor');
  if (oomKilled !== true && result !== 'oom-kill') return [];
  return [
    {
      statement: 'The kernel ended it for want of memory.',
      for: [result === 'oom-kill' ? 'systemd says: oom-kill' : `Docker says: OOMKilled, exit code ${String(exitCode)}`],
      against: [],
    },
  ];
}

function disk({ collected }: Known): Hypothesis[] {
  const { disks } = member(collected, 'host');
  const full = (Array.isArray(disks) ? disks : []).flatMap((each: Json) => {
    const { mount, totalBytes, freeBytes } = { ...(each as JsonObject | null) };
    if (typeof totalBytes !== 'number' || typeof freeBytes !== 'number' || totalBytes <= 0) return [];
    const used = 100 - (100 * freeBytes) / totalBytes;
    return used >= FULL_PERCENT ? [`${String(mount)} is ${Math.floor(used)} % full`] : [];
  });
  return full.length === 0 ? [] : [{ statement: 'A disk is full.', for: full, against: [] }];
}

/** The last change that is about it; or else one of the machine, where that was just before. */
function change({ resource, at, changes }: Known): Hypothesis[] {
  const before = changes.filter((entry) => entry.at <= at && !isSymptom(entry));
  const ago = (entry: ChangeEntry): number => at.getTime() - entry.at.getTime();
  const own = before.findLast(({ resourceId }) => resourceId === resource.id);
  const named = before.findLast(({ kind, title }) => kind === 'package' && isAbout(title, resource));
  const near = before.findLast(
    (entry) => entry.resourceId === undefined && CAUSES.has(entry.kind) && ago(entry) <= SOON_MS,
  );
  const chosen = [own, named, near].filter((entry) => entry !== undefined);
  return [...new Set(chosen)].map((entry) => {
    const minutes = Math.round(ago(entry) / MINUTE_MS);
    const wellAfter = changes.some(
      (later) =>
        later.kind === 'service' &&
        later.resourceId === resource.id &&
        later.at > entry.at &&
        / is up/.test(later.title),
    );
    return {
      statement: `It may be because of a change: ${entry.title}.`,
      for: [minutes === 0 ? 'It happened within the same minute.' : `It happened ${minutes} min before.`],
      against: [
        ...(wellAfter ? [`${resource.name} was up after that.`] : []),
        ...(entry === near ? ['It is about no single service.'] : []),
      ],
    };
  });
}

const CAUSES: ReadonlySet<ChangeEntry['kind']> = new Set(['package', 'configuration', 'run', 'node']);

/** That it failed is what is to be explained. */
function isSymptom({ kind }: ChangeEntry): boolean {
  return ['service', 'maintenance', 'schedule', 'mode', 'metric'].includes(kind);
}

function isAbout(title: string, { name, product }: Known['resource']): boolean {
  const packageName = title.split(' ')[0]?.toLowerCase() ?? '';
  return [name, product]
    .filter((word) => word !== undefined && word.length > 2 && word !== 'unknown')
    .some((word) => packageName.includes((word ?? '').toLowerCase()));
}

function member(value: Json, name: string): JsonObject {
  const found =
    value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as JsonObject)[name] : null;
  return found !== null && typeof found === 'object' && !Array.isArray(found) ? (found as JsonObject) : {};
}
