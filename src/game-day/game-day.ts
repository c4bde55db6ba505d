import { availableParallelism } from 'node:os';
import { createPrograms } from '../adapters/programs/index.ts';
import { createProcesses } from '../adapters/processes/index.ts';
import { createSystemd } from '../adapters/systemd/index.ts';
import type { Environment } from '../config/environment.ts';
import { version } from '../version.ts';
import { StewardError } from '../core/errors.ts';
import type { ProgramsPort } from '../core/ports/programs.ts';
import type { Fault, Need } from './fault.ts';
import { playAll } from './play.ts';
import type { Progress } from './progress.ts';
import { automationRate, type FaultReport, faultReport, type GameDayReport } from './report.ts';
import { type Scene, setScene } from './scene.ts';
import { withNeeded } from './stack.ts';
import type { SeenRun } from './story.ts';
import { compare, fingerprint } from './untouched.ts';

export interface GameDayOptions {
  readonly environment: Environment;
  readonly faults: readonly Fault[];
  readonly seed: number;
  /** False: the isolated Steward only watches. It shows that the judge can say no. */
  readonly healing: boolean;
  readonly keep: boolean;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Most of a fault is waiting; but more than the machine can bear would judge the machine and not Steward. */
const AT_ONCE = Math.min(12, 4 * availableParallelism());

/** One game day, from an empty stage to a report; whatever happens, nothing of it stays unless it was asked to be kept. */
export async function gameDay(options: GameDayOptions): Promise<GameDayReport> {
  const { environment, seed, healing, keep, progress, signal } = options;
  const programs = createPrograms({ environment: environment.inherited });
  const around = {
    host: environment.dockerHost,
    processes: createProcesses({ programs }),
    systemd: createSystemd({ programs }),
  };
  const startedAt = new Date().toISOString();
  const leftOut = await leftOutOf(options.faults, programs);
  for (const { name, why } of leftOut) progress.say(`leaves out ${name}: ${why}`);
  const faults = shuffled(
    options.faults.filter((fault) => leftOut.every(({ name }) => name !== fault.name)),
    seed,
  );
  if (faults.length === 0)
    throw new StewardError('PRECONDITION_FAILED', 'None of these faults can be injected on this machine.', {
      hint: leftOut.map(({ name, why }) => `${name}: ${why}`).join('; '),
    });
  progress.say('looks at what is there, so that it can tell whether it was touched');
  const before = await fingerprint(around);
  const scene = await setScene({
    environment,
    services: withNeeded(faults.flatMap(({ services, bystanders = [] }) => [...services, ...bystanders])),
    healing,
    keep,
    say: (what) => progress.say(what),
    signal,
  });
  let reports: FaultReport[];
  let runs: { readonly all: number; readonly elsewhere: string[] };
  try {
    const played = await playAll(scene, faults, {
      atOnce: AT_ONCE,
      signal,
      on(what, fault, result) {
        if (what === 'injects') progress.begins(fault);
        else if (result) progress.ends(faultReport(result));
      },
    });
    reports = played.map(faultReport);
    runs = await runsOf(scene);
  } finally {
    progress.say('removes the scratch stack');
    await scene.end();
  }
  const { compared, differences, ended } = compare(before, await fingerprint(around));
  const count = (outcome: string): number => reports.filter((each) => each.outcome === outcome).length;
  return {
    id: scene.stack.id,
    startedAt,
    finishedAt: new Date().toISOString(),
    stewardVersion: version,
    seed,
    healing,
    injected: reports.length,
    leftOut,
    healed: count('healed'),
    escalated: count('escalated'),
    leftAlone: count('left-alone'),
    missed: count('missed'),
    automationRate: automationRate(reports.map(({ outcome }) => outcome)),
    faults: reports,
    outside: {
      untouched: differences.length === 0 && runs.elsewhere.length === 0,
      compared,
      differences,
      processesEnded: ended,
      runs: runs.all,
      runsElsewhere: runs.elsewhere,
      ports: scene.stack.ports,
    },
  };
}

/** The faults for which this machine does not have what they need, and what that is. */
async function leftOutOf(faults: readonly Fault[], programs: ProgramsPort): Promise<{ name: string; why: string }[]> {
  const missing = new Map<Need, string>();
  if (process.getuid?.() !== 0) missing.set('root', 'only root sees the disks of containers');
  const npm = await programs.run({ program: 'npm', args: ['--version'], timeoutMs: 30_000, reads: true }).then(
    ({ exitCode }) => exitCode === 0,
    () => false,
  );
  if (!npm) missing.set('npm', 'there is no npm whose cache could be emptied');
  return faults.flatMap(({ name, needs = [] }) => {
    const why = needs.flatMap((need) => missing.get(need) ?? []).join(', and ');
    return why === '' ? [] : [{ name, why }];
  });
}

/** Every run of the isolated Steward, and those that aimed at anything but a service of the stack. */
async function runsOf({
  steward,
  services,
  resourceId,
  stack: { disk },
}: Scene): Promise<{ all: number; elsewhere: string[] }> {
  const scratch = new Set(services.map(resourceId));
  const { items } = await steward.get<{
    items: (SeenRun & { changes: { status: string }[]; input: Record<string, unknown> })[];
  }>('runs?limit=500');
  return {
    all: items.length,
    elsewhere: items
      // What was only planned, and a plan that found nothing to do, has touched nothing.
      .filter(({ changes }) => changes.some(({ status }) => status !== 'planned' && status !== 'skipped'))
      // What works on a disk has no service as its target: it is told by the folder that it was given.
      .filter(({ target, input }) =>
        target ? !scratch.has(target.id) : disk === undefined || input['path'] !== disk.folder,
      )
      .map(({ id, automation, target }) => `${id} ${automation} ${target?.name ?? 'without a target'}`),
  };
}

/** The order of the faults: another one with each seed, the same with the same. Those that take long begin first. */
function shuffled(faults: readonly Fault[], seed: number): Fault[] {
  const random = mulberry(seed);
  const ranked = faults.map((fault) => ({ fault, rank: random() - (fault.withinSeconds === undefined ? 0 : 1) }));
  return ranked.toSorted((a, b) => a.rank - b.rank).map(({ fault }) => fault);
}

/** A small generator of even numbers between 0 and 1 that gives the same for the same seed. */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
