import type { PerformanceMetric } from '../../core/performance.ts';
import { DAY_SLOTS, randomOf, type Trace, type TraceSeries } from './trace.ts';

const HOUR_SLOTS = 12;
const START = Date.parse('2026-02-02T00:00:00Z');

interface Shape {
  readonly metric: PerformanceMetric;
  readonly key: string;
  /** At its busiest, without noise. */
  readonly peak: number;
  /** Of that, what is left at night. */
  readonly night: number;
  readonly noise: number;
  /** Of a share, the most there is. */
  readonly most?: number;
  /** Something that runs at night, on all days or on Sundays only. */
  readonly job?: 'nightly' | 'sunday';
}

const SHAPES: readonly Shape[] = [
  { metric: 'cpu', key: 'machine', peak: 0.4, night: 0.4, noise: 0.12, most: 1 },
  { metric: 'memory', key: 'machine', peak: 0.58, night: 0.9, noise: 0.02, most: 1 },
  { metric: 'disk', key: 'sda', peak: 0.3, night: 0.3, noise: 0.25, most: 1, job: 'nightly' },
  { metric: 'network', key: 'eth0', peak: 12e6, night: 0.15, noise: 0.2 },
  { metric: 'network', key: 'eth1', peak: 6e6, night: 0.5, noise: 0.15, job: 'sunday' },
  { metric: 'response-time', key: 'shop', peak: 0.35, night: 0.5, noise: 0.18 },
  { metric: 'response-time', key: 'api', peak: 0.12, night: 0.7, noise: 0.12 },
  { metric: 'response-time', key: 'search', peak: 0.6, night: 0.4, noise: 0.3, job: 'nightly' },
  { metric: 'response-time', key: 'mail', peak: 0.2, night: 0.95, noise: 0.1 },
  { metric: 'response-time', key: 'wiki', peak: 0.25, night: 0.6, noise: 0.22, job: 'sunday' },
];

/**
 * A machine that never was, made of one seed: rhythm of day and week, a wander of hours and of weeks, noise with heavy tails,
 * single wild values, holidays, summer time, jobs at night, small steps up and down, restarts of the machine, missing samples.
 */
export function madeTrace(seed: number, weeks: number): Trace {
  const random = randomOf(seed);
  const days = weeks * 7;
  const slots = days * DAY_SLOTS;
  const holidays = new Set(Array.from({ length: Math.ceil(weeks / 3) }, () => Math.floor(random() * days)));
  const summerFrom = Math.floor((0.3 + random() * 0.4) * slots);
  const restarts = Array.from({ length: Math.ceil(weeks / 2) }, () => ({
    at: Math.floor(random() * slots),
    slots: 1 + Math.floor(random() * 6),
  }));
  const off = (slot: number): boolean => restarts.some(({ at, slots: long }) => slot >= at && slot < at + long);
  const series = SHAPES.map(({ metric, key, peak, night, noise, most = Infinity, job }): TraceSeries => {
    const size = 0.7 + random() * 0.8;
    const base = most === 1 ? Math.min(peak * size, metric === 'memory' ? 0.62 : 0.5) : peak * size;
    const busyAt = 11 + random() * 6;
    const weekend = 0.5 + random() * 0.4;
    const growth = 1 + random() * 0.01;
    let [wander, slow, step] = [0, 0, 0];
    const values = new Float64Array(slots);
    for (let slot = 0; slot < slots; slot += 1) {
      const local = slot + (slot >= summerFrom ? HOUR_SLOTS : 0);
      const hour = (local / HOUR_SLOTS) % 24;
      const day = Math.floor(local / DAY_SLOTS);
      wander = wander * 0.97 + gaussian(random) * noise * 0.12;
      slow = slow * 0.9995 + gaussian(random) * noise * 0.008;
      if (random() < 1 / (8 * DAY_SLOTS)) step += (random() - 0.5) * noise * 0.5;
      const light = (1 + Math.cos(((hour - busyAt) / 24) * 2 * Math.PI)) / 2;
      const quiet = day % 7 >= 5 || holidays.has(day) ? weekend : 1;
      const rhythm = night + (1 - night) * light ** 1.5 * quiet;
      const works = job === 'nightly' || (job === 'sunday' && day % 7 === 6);
      const during = works && hour >= 2 && hour < 3.2 ? base * 0.9 : 0;
      const wild = random() < 0.003 ? 1 + random() * 4 : 1;
      const chance = Math.exp(heavy(random) * noise * 0.5 + wander + slow + step);
      const value = (base * rhythm * growth ** (day / 7) + during) * chance * wild;
      values[slot] = random() < 0.005 || off(slot) ? Number.NaN : Math.min(value, most * 0.98);
    }
    return { metric, key, values };
  });
  return { name: `made of seed ${seed}`, from: START, slots, series };
}

function gaussian(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Student's t with four degrees of freedom, as wide as a normal distribution: far values come far more often. */
function heavy(random: () => number): number {
  const squares = Array.from({ length: 4 }, () => gaussian(random) ** 2).reduce((sum, one) => sum + one, 0);
  return gaussian(random) / Math.sqrt(squares / 4) / Math.SQRT2;
}
