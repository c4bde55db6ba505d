import { judgeHours, judgeSeries, type Lasting, type Verdict } from '../../core/anomaly/judge.ts';
import { learn, type Model, SLOT_MS } from '../../core/anomaly/model.ts';
import { DAY_MS, HOUR_MS } from '../../core/anomaly/season.ts';
import { MEASURES, type Subject } from '../../core/measures.ts';
import { PerformanceMetric } from '../../core/performance.ts';
import type { MetricsPort } from '../../core/ports/metrics.ts';

/** A thing that is measured, and how it is beside what is usual for it. */
export interface Judged extends Verdict {
  readonly metric: PerformanceMetric;
  readonly key: string;
  readonly subject: string;
  readonly unit: string;
  readonly resourceId?: string | undefined;
  readonly state: 'not-enough-history' | 'usual' | 'unusual';
}

export interface AnomalyWatch {
  /** Judges everything at the end of the last five minutes that are over. */
  look(now: Date): Promise<Judged[]>;
}

/** So far back lies what is compared: four weeks of hours, and as many five minutes as every configuration keeps. */
const LEARNED_MS = 28 * DAY_MS;
const SLOTS_LEARNED_MS = 6 * DAY_MS;
const HOURS_SEEN_MS = 7 * DAY_MS;
const SLOTS_SEEN_MS = 6 * HOUR_MS;

type About = Pick<Judged, 'metric' | 'key' | 'subject' | 'unit' | 'resourceId'>;
type Values = ReadonlyMap<number, number>;
const NOTHING: Values = new Map();

interface Watched {
  readonly about: About;
  readonly model: Model | undefined;
  lasting: Lasting;
}

/**
 * Judges what is measured on this node. It reads four weeks once a day, a week of hours once an hour, and a few hours of
 * five minutes each time; what it knows is only in memory, and learned again after a start.
 */
export function createAnomalyWatch(port: MetricsPort): AnomalyWatch {
  let watched = new Map<string, Watched>();
  let learnedAt: number | undefined;
  let hoursAt: number | undefined;

  async function read(fromMs: number, toMs: number, stepMs: number): Promise<Map<string, About & { values: Values }>> {
    const found = new Map<string, About & { values: Values }>();
    // Its last step is not over, and to compare half an hour with whole ones would be unfair.
    const span = { from: new Date(fromMs), to: new Date(toMs - 1), stepMs };
    for (const metric of PerformanceMetric.options) {
      const { unit, subjects } = MEASURES[metric];
      for (const { key, name, values, resourceId } of await subjects((series) => port.over(series, span)))
        found.set(`${metric}:${key}`, {
          metric,
          key,
          subject: name,
          unit,
          resourceId,
          values: within(values, fromMs, toMs),
        });
    }
    return found;
  }

  async function learnAll(now: number): Promise<void> {
    const [hour, slot] = [floor(now, HOUR_MS), floor(now, SLOT_MS)];
    const hours = await read(hour - LEARNED_MS, hour, HOUR_MS);
    const slots = await read(slot - SLOTS_LEARNED_MS, slot, SLOT_MS);
    const awake = awakeIn(slots);
    watched = new Map(
      [...new Map([...hours, ...slots])].flatMap(([id, { values, ...about }]) => {
        if (values.size === 0) return [];
        const { least } = MEASURES[about.metric];
        const history = { hours: hours.get(id)?.values ?? NOTHING, slots: slots.get(id)?.values ?? NOTHING, awake };
        return [[id, { about, model: learn(history, least, now), lasting: {} }] as const];
      }),
    );
    hoursAt = undefined;
  }

  async function lookAtHours(now: number): Promise<void> {
    const hour = floor(now, HOUR_MS);
    const hours = await read(hour - HOURS_SEEN_MS, hour, HOUR_MS);
    for (const [id, each] of watched)
      each.lasting = each.model ? judgeHours(each.model, hours.get(id)?.values ?? NOTHING) : {};
  }

  return {
    async look(at) {
      const now = at.getTime();
      if (learnedAt === undefined || isDue(now, learnedAt, watched)) {
        await learnAll(now);
        learnedAt = now;
      }
      if (hoursAt !== floor(now, HOUR_MS)) {
        await lookAtHours(now);
        hoursAt = floor(now, HOUR_MS);
      }
      const slot = floor(now, SLOT_MS);
      const slots = await read(slot - SLOTS_SEEN_MS, slot, SLOT_MS);
      const awake = [...awakeIn(slots)].toSorted((one, other) => one - other);
      return [...watched].map(([id, { about, model, lasting }]) => {
        if (!model) return { ...about, state: 'not-enough-history', calm: false };
        const recent = { lasting, slots: slots.get(id)?.values ?? NOTHING, awake };
        const verdict = judgeSeries(model, recent, MEASURES[about.metric].least);
        return { ...about, ...verdict, state: verdict.kind === undefined ? 'usual' : 'unusual' };
      });
    },
  };
}

/** Each day at midnight, by UTC; each hour while something is not known for long enough, and always while nothing is known. */
function isDue(now: number, learnedAt: number, watched: ReadonlyMap<string, Watched>): boolean {
  if (watched.size === 0) return true;
  const isYoung = [...watched.values()].some(({ model }) => !model);
  const every = isYoung ? HOUR_MS : DAY_MS;
  return floor(now, every) !== floor(learnedAt, every);
}

function awakeIn(found: ReadonlyMap<string, { readonly values: Subject['values'] }>): Set<number> {
  return new Set([...found.values()].flatMap(({ values }) => [...values.keys()]));
}

function within(values: Values, from: number, to: number): Values {
  return new Map([...values].filter(([at]) => at >= from && at < to).toSorted(([one], [other]) => one - other));
}

function floor(instant: number, width: number): number {
  return Math.floor(instant / width) * width;
}
