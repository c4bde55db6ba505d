import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../core/errors.ts';
import type { Fault, Stage } from './fault.ts';
import { isSettled, judge, type Verdict } from './judge.ts';
import type { Scene } from './scene.ts';
import { containerOf, healthUrl, type ServiceName } from './stack.ts';
import { resourceOf, type SeenRun, type Story, timelineOf } from './story.ts';

export interface Played extends Verdict {
  readonly fault: Fault;
  readonly struckAt: string;
  readonly timeline: readonly string[];
  /** Why it could not be injected or judged; such a fault is missed. */
  readonly problem?: string | undefined;
}

export interface PlayOptions {
  readonly atOnce: number;
  readonly signal: AbortSignal;
  readonly on: (what: 'injects' | 'ends', fault: Fault, played?: Played) => void;
}

/** A crowded machine takes several times as long as one at rest; what Steward does is judged, not how fast the machine is. */
const SETTLED_WITHIN_S = 180;
/** Where nothing heals, long enough to see that. */
const UNHEALED_S = 30;
/** What must not happen is waited for this long: more than Steward needs to notice and to act. */
const QUIET_MS = 7_000;
const LOOK_MS = 250;
const WELL_WITHIN_MS = 90_000;

/** Plays all faults: side by side where none strikes what another one strikes or looks at, in the order given where it does. */
export async function playAll(scene: Scene, faults: readonly Fault[], options: PlayOptions): Promise<Played[]> {
  const results = new Map<Fault, Played>();
  const waiting = faults.filter(({ alone }) => !alone);
  const running = new Map<Fault, Promise<void>>();
  while (waiting.length > 0 || running.size > 0) {
    options.signal.throwIfAborted();
    // Whoever comes later does not overtake on the same service.
    const before = [...running.keys()];
    for (const fault of waiting.slice()) {
      const free = before.every((other) => !inTheWay(fault, other));
      before.push(fault);
      if (!free || running.size >= options.atOnce) continue;
      waiting.splice(waiting.indexOf(fault), 1);
      running.set(
        fault,
        playOne(scene, fault, options).then((played) => {
          results.set(fault, played);
          running.delete(fault);
        }),
      );
    }
    await Promise.race(running.values());
  }
  for (const fault of faults.filter(({ alone }) => alone)) results.set(fault, await playOne(scene, fault, options));
  return faults.flatMap((fault) => results.get(fault) ?? []);
}

/** Of two that only look at a service, neither disturbs the other. */
function inTheWay(one: Fault, other: Fault): boolean {
  const touches = ({ services, bystanders = [] }: Fault): readonly ServiceName[] => [...services, ...bystanders];
  return (
    one.services.some((service) => touches(other).includes(service)) ||
    other.services.some((service) => touches(one).includes(service))
  );
}

async function playOne(scene: Scene, fault: Fault, { signal, on }: PlayOptions): Promise<Played> {
  const marks: Record<string, string> = {};
  const stage = stageOf(scene, signal, marks);
  const struckAt = new Date().toISOString();
  const from = scene.steward.events.length;
  const since: Since = { struckAt, from, marks };
  let problem: string | undefined;
  on('injects', fault);
  try {
    await fault.inject(stage);
    await settle(scene, fault, since, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    problem = StewardError.from(thrown).message;
  }
  const story = await storyOf(scene, fault, since);
  const verdict = judge(fault, story);
  const timeline = timelineOf(story);
  const played: Played = {
    ...verdict,
    fault,
    struckAt,
    timeline,
    problem,
    ...(problem !== undefined && { outcome: 'missed' }),
  };
  on('ends', fault, played);
  try {
    await fault.undo?.(stage);
    if (played.outcome === 'missed') await mend(fault, stage);
    if (fault.undo || fault.expect === 'healed') await calm(scene, fault, stage);
  } catch (thrown) {
    signal.throwIfAborted();
    return { ...played, problem: problem ?? `what came after it: ${StewardError.from(thrown).message}` };
  }
  return played;
}

/** What Steward left broken is put right by hand, so that it spoils no other fault on the same services. */
async function mend({ services }: Fault, { stop, start }: Stage): Promise<void> {
  await Promise.all(services.map(async (service) => await stop(service).then(() => start(service))));
}

/** The next fault on the same services begins where they are well, and Steward knows that they are. */
async function calm(scene: Scene, { services, bystanders = [] }: Fault, stage: Stage): Promise<void> {
  const touched = [...services, ...bystanders];
  const ids = new Set(touched.map((service) => scene.resourceId(service)));
  await stage.until(`${touched.join(', ')} well again, also for Steward`, async () => {
    const [known, unresolved, ...asked] = await Promise.all([
      scene.steward.get<{ id: string; state: string }[]>('services'),
      scene.steward.get<{ items: { resourceId?: string }[] }>('incidents?status=unresolved&limit=200'),
      ...touched.map((service) => scene.ask(service)),
    ]);
    return (
      asked.every(({ well }) => well) &&
      known.every(({ id, state }) => !ids.has(id) || state === 'up') &&
      unresolved.items.every(({ resourceId = '' }) => !ids.has(resourceId))
    );
  });
}

interface Since {
  readonly struckAt: string;
  /** How many events there were before. */
  readonly from: number;
  readonly marks: Readonly<Record<string, string>>;
}

async function settle(scene: Scene, fault: Fault, since: Since, signal: AbortSignal): Promise<void> {
  const seconds = scene.healing ? (fault.withinSeconds ?? SETTLED_WITHIN_S) : UNHEALED_S;
  const deadline = performance.now() + seconds * 1_000;
  while (performance.now() < deadline && !isSettled(fault, eventsOf(scene, fault, since)))
    await sleep(LOOK_MS, undefined, { signal });
  await sleep(fault.expect === 'healed' ? LOOK_MS : QUIET_MS, undefined, { signal });
}

/** What needs no question: everything but runs and what the services say themselves. */
function eventsOf(
  { steward, containers, sink, resourceId }: Scene,
  fault: Fault,
  { struckAt, from, marks }: Since,
): Story {
  const idsOf = (services: readonly ServiceName[]): Story['struck'] =>
    Object.fromEntries(services.map((service) => [service, resourceId(service)]));
  const [struck, bystanders] = [idsOf(fault.services), idsOf(fault.bystanders ?? [])];
  const ids = new Set([...Object.values(struck), ...Object.values(bystanders)]);
  const events = steward.events.slice(from).filter((event) => ids.has(resourceOf(event) ?? ''));
  const incidents = new Set(events.map(({ data }) => data['incidentId']));
  return {
    struckAt,
    struck,
    bystanders,
    events,
    containers: containers.filter(({ at, service }) => at >= struckAt && (service in struck || service in bystanders)),
    runs: [],
    alerts: sink.alerts.filter(({ incidentId }) => incidentId !== undefined && incidents.has(incidentId)),
    marks,
    after: {},
  };
}

async function storyOf(scene: Scene, fault: Fault, since: Since): Promise<Story> {
  const story = eventsOf(scene, fault, since);
  const incidents = new Set(story.events.map(({ data }) => data['incidentId']));
  const ids = new Set([...Object.values(story.struck), ...Object.values(story.bystanders)]);
  const [runs, after] = await Promise.all([
    scene.steward.get<{ items: SeenRun[] }>(`runs?limit=200&since=${encodeURIComponent(since.struckAt)}`).then(
      ({ items }) => items,
      () => [],
    ),
    Promise.all(fault.services.map(async (service) => [service, await scene.ask(service)] as const)),
  ]);
  return {
    ...story,
    runs: runs.filter(
      ({ target, causation }) => ids.has(target?.id ?? '') || incidents.has(causation?.incidentId ?? 'none'),
    ),
    after: Object.fromEntries(after),
  };
}

function stageOf(
  { stack, engine, steward, resourceId }: Scene,
  signal: AbortSignal,
  marks: Record<string, string>,
): Stage {
  const name = (service: ServiceName): string => containerOf(stack, service);
  return {
    signal: (service, which) => engine.signal(name(service), which),
    stop: (service) => engine.stop(name(service)),
    start: (service) => engine.start(name(service)),
    pause: (service) => engine.pause(name(service)),
    unpause: (service) => engine.unpause(name(service)),
    cutOff: (service) => engine.disconnect(name(service), stack.networks.back),
    letIn: (service) => engine.connect(name(service), stack.networks.back),
    async misbehave(service, wish) {
      if (service === 'db') throw new StewardError('INTERNAL', 'The database takes no wishes.');
      const response = await fetch(new URL('/misbehave', healthUrl(stack, service)), {
        method: 'POST',
        body: JSON.stringify(wish),
        signal: AbortSignal.timeout(10_000),
      });
      if (!response.ok)
        throw new StewardError('UNAVAILABLE', `${service} does not take the fault: ${response.status}.`);
    },
    steward: {
      get: (path) => steward.get(path),
      post: (path, body) => steward.post(path, body),
      resourceId,
      kill: () => steward.kill(),
      start: () => steward.start(),
    },
    mark(instant) {
      marks[instant] = new Date().toISOString();
    },
    watch: (seconds) => sleep(seconds * 1_000, undefined, { signal }),
    async until(what, look) {
      for (const until = performance.now() + WELL_WITHIN_MS; ; await sleep(LOOK_MS, undefined, { signal })) {
        if (await look().catch(() => false)) return;
        if (performance.now() > until) throw new StewardError('TIMEOUT', `It did not come to this: ${what}.`);
      }
    },
  };
}
