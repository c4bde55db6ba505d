import { StewardError } from '../../core/errors.ts';
import { type Line, LogLevel } from '../../core/lines.ts';
import type { Resource } from '../../core/resource.ts';
import { cleaned } from './clean.ts';
import { componentHere, componentsHere, OWN } from './components.ts';
import type { LogsDeps } from './deps.ts';

/** Of one source; what is further back is said to be not looked at. */
const LINES_LOOKED_AT = 5_000;
const AT_ONCE = 4;
const WITHIN_MS = 20_000;

export interface Wanted {
  /** By name; all of this node, Steward and its runs where none is named. */
  readonly services: readonly string[];
  readonly since: Date;
  readonly text?: string | undefined;
  readonly level?: LogLevel | undefined;
}

export interface Found {
  /** Oldest first. */
  readonly lines: Line[];
  /** What was not, or not wholly, looked at, and why. */
  readonly notSearched: { readonly component: string; readonly reason: string }[];
}

/** Looks through the logs as they are: nothing is collected beforehand, so nothing has to be kept. */
export async function searchLogs(deps: LogsDeps, wanted: Wanted): Promise<Found> {
  const { services, since } = wanted;
  const fits = fitting(wanted);
  const notSearched: Found['notSearched'] = [];
  const ends = performance.now() + WITHIN_MS;

  async function look(resource: Resource): Promise<Line[]> {
    if (performance.now() > ends) {
      notSearched.push({ component: resource.name, reason: `The search took longer than ${WITHIN_MS / 1_000} s.` });
      return [];
    }
    try {
      const raw = await deps.logs.read(resource, { lines: LINES_LOOKED_AT, since });
      const lines = cleaned(raw, resource.name, deps.now());
      const oldest = lines[0];
      if (raw.length >= LINES_LOOKED_AT && oldest && oldest.at > since)
        notSearched.push({
          component: resource.name,
          reason: `Only its last ${LINES_LOOKED_AT} lines were looked at.`,
        });
      return lines.filter((line) => line.at >= since && fits(line));
    } catch (thrown) {
      notSearched.push({ component: resource.name, reason: StewardError.from(thrown).message });
      return [];
    }
  }

  const everything = services.length === 0;
  const named = services.filter((name) => name !== OWN);
  const resources = everything
    ? await componentsHere(deps.inventory, deps.node.id)
    : await Promise.all(named.map((name) => componentHere(name, deps)));
  const lines: Line[] = [];
  for (let at = 0; at < resources.length; at += AT_ONCE)
    lines.push(...(await Promise.all(resources.slice(at, at + AT_ONCE).map(look))).flat());
  if (everything || services.includes(OWN)) {
    lines.push(...deps.own.recent().filter((line) => line.at >= since && fits(line)));
    lines.push(...(await deps.runLines(since, LINES_LOOKED_AT)).filter(fits));
  }
  return { lines: lines.toSorted((a, b) => a.at.getTime() - b.at.getTime()), notSearched };
}

export function fitting({ text, level }: Pick<Wanted, 'text' | 'level'>): (line: Line) => boolean {
  const sought = text?.toLowerCase();
  const least = level === undefined ? 0 : LogLevel.options.indexOf(level);
  return (line) =>
    LogLevel.options.indexOf(line.level) >= least && (sought === undefined || line.text.toLowerCase().includes(sought));
}

export interface Failure {
  readonly component: string;
  readonly count: number;
  readonly first: Date;
  readonly last: Date;
  readonly text: string;
  readonly source: string;
}

/** The same message with other numbers is the same failure: newest first. */
export function failuresIn(lines: readonly Line[]): Failure[] {
  const groups = Map.groupBy(lines, ({ component, text }) => `${component} ${shapeOf(text)}`);
  return [...groups.values()]
    .map((group) => {
      const [first, last] = [group[0] as Line, group.at(-1) as Line];
      return {
        component: last.component,
        count: group.length,
        first: first.at,
        last: last.at,
        text: last.text,
        source: last.source,
      };
    })
    .toSorted((a, b) => b.last.getTime() - a.last.getTime());
}

function shapeOf(text: string): string {
  return text.replaceAll(/\b[0-9a-f]{8,}\b|\d+/gi, '#').slice(0, 200);
}
