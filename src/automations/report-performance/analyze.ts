import { isAgent } from '../../core/health-report.ts';
import { answerOf, mean, type MeasureName, MEASURES, rounded, type Subject } from '../../core/measures.ts';
import type { Figures, ServiceKind } from '../../core/performance-report.ts';
import type { HealthThresholds, WatchedService } from '../../core/ports/health.ts';
import type { MetricsPort } from '../../core/ports/metrics.ts';
import type { Deduction } from '../../core/score.ts';

type PlainFigures = Omit<Figures, 'points'> & {
  readonly points: { readonly at: string; readonly value: number }[];
};

interface Span {
  readonly from: Date;
  readonly to: Date;
  readonly stepMs: number;
}

const DATABASES = new Set(['postgres', 'mysql', 'redis']);

/** What was measured over a stretch of time, of each thing that has it. */
export async function measured(metrics: MetricsPort, measure: MeasureName, span: Span): Promise<Subject[]> {
  return await MEASURES[measure].subjects((name) => metrics.over(name, span));
}

/** Undefined where there is no step with a value. */
export function figuresOf({ values }: Pick<Subject, 'values'>): PlainFigures | undefined {
  const points = [...values].toSorted(([one], [other]) => one - other);
  const sorted = points.map(([, value]) => value).toSorted((one, other) => one - other);
  const [average, last] = [mean(sorted), points.at(-1)];
  if (average === undefined || last === undefined) return undefined;
  return {
    mean: rounded(average),
    p95: rounded(sorted[Math.ceil(0.95 * sorted.length) - 1] ?? last[1]),
    highest: rounded(sorted.at(-1) ?? last[1]),
    last: rounded(last[1]),
    points: points.map(([at, value]) => ({ at: new Date(at).toISOString(), value: rounded(value) })),
  };
}

export function kindOf({ resource, kinds }: Pick<WatchedService, 'resource' | 'kinds'>): ServiceKind {
  if (isAgent(resource)) return 'agent';
  if (resource.product === 'ollama' || kinds.includes('models')) return 'model';
  return kinds.some((kind) => DATABASES.has(kind)) ? 'database' : 'service';
}

/** By how the answers of its checks are called. */
export function kindsByAnswer(services: readonly WatchedService[]): ReadonlyMap<string, ServiceKind> {
  return new Map(
    services.flatMap((service) =>
      service.kinds.map(
        (check) => [answerOf({ labels: { service: service.resource.name, check } }), kindOf(service)] as const,
      ),
    ),
  );
}

/** What the score is made of: everything that the report says, before it is scored. */
interface Found {
  readonly machine: readonly (PlainFigures & { readonly measure: string; readonly subject: string })[];
  readonly answers: readonly {
    readonly name: string;
    readonly mean: number;
    readonly beforeMean?: number | undefined;
  }[];
  readonly uptimes: readonly { readonly service: string; readonly percent: number }[];
  readonly databases: readonly {
    readonly source: string;
    readonly connectionsPercent?: number | undefined;
    readonly cacheHitPercent?: number | undefined;
  }[];
  readonly backupSuccessPercent?: number | undefined;
}

interface Limits extends Pick<HealthThresholds, 'cpuPercent' | 'memoryPercent' | 'diskPercent' | 'loadPerCore'> {
  readonly slowSeconds: number;
}

const BUSY_DISK = 0.9;
/** So many times what it was before, and so much more, is slower. */
const SLOWER = 2;
const SLOWER_SECONDS = 0.05;
const GOOD_UPTIME = 99.9;
const FAIR_UPTIME = 99;
const CONNECTIONS_PERCENT = 80;
const CACHE_HIT_PERCENT = 90;
const NAMED = 5;

/** Each with what mends it; what several have is one deduction, with a limit, so that one fault does not take everything. */
export function deductionsOf(found: Found, limits: Limits): Deduction[] {
  const high = (measure: string, by: 'p95' | 'last', limit: number): string[] =>
    found.machine
      .filter((each) => each.measure === measure && each[by] >= limit)
      .map((each) => `${measure === 'space' || measure === 'disk' ? `${each.subject} ` : ''}${percent(each[by])}`);
  const [firstMount] = found.machine.filter(({ measure }) => measure === 'space').map(({ subject }) => subject);
  const slow = found.answers.filter((each) => each.mean >= limits.slowSeconds);
  const slower = found.answers.filter(
    (each) =>
      !slow.includes(each) &&
      each.beforeMean !== undefined &&
      each.mean >= SLOWER * each.beforeMean &&
      each.mean - each.beforeMean >= SLOWER_SECONDS,
  );
  const away = found.uptimes.filter((each) => each.percent < GOOD_UPTIME);
  const full = found.databases.filter((each) => (each.connectionsPercent ?? 0) >= CONNECTIONS_PERCENT);
  const cold = found.databases.filter((each) => (each.cacheHitPercent ?? 100) < CACHE_HIT_PERCENT);
  const load = found.machine.find((each) => each.measure === 'load' && each.p95 >= limits.loadPerCore);

  return [
    taken(10, 10, high('cpu', 'p95', limits.cpuPercent / 100), {
      what: `In one step of twenty the cores were busier than ${limits.cpuPercent} %`,
      fix: 'Look at what ran then (steward changes), and move heavy schedules apart (steward schedule week).',
    }),
    taken(5, 5, load ? [`${load.p95} a core`] : [], {
      what: `In one step of twenty more tasks ran or waited than ${limits.loadPerCore} a core`,
      fix: 'steward metrics show steward_host_load1 --last 7d says since when; fewer at once, or more cores.',
    }),
    taken(10, 10, high('memory', 'p95', limits.memoryPercent / 100), {
      what: `In one step of twenty more than ${limits.memoryPercent} % of the memory was in use`,
      fix: 'steward run relieve-memory --dry-run shows what may be given back.',
    }),
    taken(8, 16, high('space', 'last', limits.diskPercent / 100), {
      what: `File systems are fuller than ${limits.diskPercent} %`,
      fix: `steward run free-disk-space --dry-run shows what may go${firstMount === undefined ? '' : '; steward metrics disk-forecast when they are full'}.`,
    }),
    taken(5, 10, high('disk', 'p95', BUSY_DISK), {
      what: 'Disks had hardly a rest',
      fix: 'Move heavy schedules apart (steward schedule week), or what writes most to another disk.',
    }),
    taken(
      5,
      20,
      slow.map((each) => `${each.name} ${each.mean} s`),
      {
        what: `Answers took longer than ${limits.slowSeconds} s`,
        fix: 'steward run monitor-performance says whether that is usual; look at the service and at what it depends on.',
      },
    ),
    taken(
      3,
      15,
      slower.map((each) => `${each.name} ${each.mean} s, before ${each.beforeMean} s`),
      {
        what: 'Answers took twice as long as in the period before',
        fix: 'steward changes shows what became different since.',
      },
    ),
    taken(
      away.some(({ percent: up }) => up < FAIR_UPTIME) ? 5 : 2,
      20,
      away.map(({ service, percent: up }) => `${service} ${up} %`),
      {
        what: `Services were there for less than ${GOOD_UPTIME} % of the time`,
        fix: 'steward incidents --status all says why each time.',
      },
    ),
    taken(
      (found.backupSuccessPercent ?? 100) < 90 ? 20 : 10,
      20,
      (found.backupSuccessPercent ?? 100) < 100 ? [`${found.backupSuccessPercent} % succeeded`] : [],
      { what: 'Copies could not be made', fix: 'steward backups names the source and what was wrong.' },
    ),
    taken(
      5,
      10,
      full.map(({ source, connectionsPercent }) => `${source} ${connectionsPercent} %`),
      {
        what: `Databases have more than ${CONNECTIONS_PERCENT} % of their connections in use`,
        fix: 'steward run recycle-connections --dry-run shows which are idle.',
      },
    ),
    taken(
      5,
      10,
      cold.map(({ source, cacheHitPercent }) => `${source} ${cacheHitPercent} %`),
      {
        what: `Databases found less than ${CACHE_HIT_PERCENT} % of what was read in their memory`,
        fix: 'steward databases advice names indexes that are missing; or give the server more memory.',
      },
    ),
  ].filter((each) => each !== undefined);
}

function taken(
  each: number,
  most: number,
  of: readonly string[],
  { what, fix }: { readonly what: string; readonly fix: string },
): Deduction | undefined {
  if (of.length === 0) return undefined;
  const more = of.length > NAMED ? ` and ${of.length - NAMED} more` : '';
  return { points: Math.min(most, each * of.length), reason: `${what}: ${of.slice(0, NAMED).join(', ')}${more}.`, fix };
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`;
}
