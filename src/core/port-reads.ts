import { StewardError } from './errors.ts';
import type { PortName, Ports } from './ports.ts';
import type { ProgramRequest } from './ports/programs.ts';

/** true: it looks, whatever it is given. A function: it looks where that holds of what it is given. */
type Looks<Port> = {
  readonly [M in keyof Port]?: Port[M] extends (...given: infer Given) => unknown
    ? true | ((...given: Given) => boolean)
    : never;
};

/**
 * The methods of each port that look and change nothing. What is not listed here changes the world: a method, or a
 * port, that is new does so until somebody says otherwise.
 */
export const LOOKS: { readonly [P in PortName]: Looks<Ports[P]> } = {
  inventory: {
    get: true,
    resolve: true,
    find: true,
    edges: true,
    dependenciesOf: true,
    dependentsOf: true,
  },
  prober: { probe: true },
  checks: { of: true },
  programs: { run: (request) => request.reads === true && isReadOnlyProgram(request) },
  processes: { list: true, get: true, capture: true },
  recipes: { kept: true, running: true },
  sockets: { listeners: true, connections: true },
  databases: { sessions: true, connections: true },
  docker: {
    containers: true,
    inspect: true,
    logs: true,
    stats: true,
    images: true,
    buildCache: true,
    dataFolder: true,
  },
  systemd: { services: true, unit: true, logs: true },
  files: { roots: true, stat: true, list: true, walk: true, read: true, openPaths: true, freeBytes: true },
  host: { sample: true, bootId: true },
  health: { thresholds: true, services: true, logFiles: true },
  history: { uptimes: true, counts: true, databases: true, scores: true, openIncidents: true, settings: true },
  http: { permit: true, request: ({ method }) => method === 'GET' || method === 'HEAD' },
  storage: { space: true, caches: true, journal: true, rotatedLogs: true },
  memory: { groups: true, redis: true },
  queue: { waiting: true, undelivered: true },
  backups: {
    sources: true,
    repositories: true,
    examine: true,
    serverOf: true,
    state: true,
    objectLock: true,
    manifest: true,
    inspect: true,
    entries: true,
    occupied: true,
    compare: true,
  },
  copies: { find: true, rules: true },
  sandboxes: { list: true, room: true, prove: true },
  expiry: { tables: true, look: true },
  fitness: {
    settings: true,
    inWindow: true,
    nextWindow: true,
    kinds: true,
    done: true,
    look: true,
    plans: true,
    // In a throw-away place: nothing that anybody uses becomes another.
    rehearse: true,
  },
  migrations: { sets: true, read: true, look: true },
  metrics: { over: true },
};

/** Programs that look, and with which arguments. Whoever calls one says so with `reads`, or it counts as a change. */
const READ_ONLY_PROGRAMS: Readonly<Record<string, (args: readonly string[]) => boolean>> = {
  df: () => true,
  du: () => true,
  'dpkg-query': () => true,
  npm: ([first, second]) => first === 'config' && second === 'get',
  pip: ([first, second]) => first === 'cache' && second === 'dir',
  systemctl: ([first = '']) => ['show', 'status', 'is-active', 'is-enabled', 'list-units', 'cat'].includes(first),
};

/** Known by its plain name only: a path may lead anywhere. */
export function isReadOnlyProgram({ program, args }: Pick<ProgramRequest, 'program' | 'args'>): boolean {
  return Object.hasOwn(READ_ONLY_PROGRAMS, program) && READ_ONLY_PROGRAMS[program]?.(args) === true;
}

export function onlyLooks(port: PortName, method: string, given: readonly unknown[]): boolean {
  const looks: unknown = Object.hasOwn(LOOKS[port], method) && LOOKS[port][method as never];
  return typeof looks === 'function' ? (looks as (...all: unknown[]) => boolean)(...given) : looks === true;
}

/** The same ports, with `seen` told of each call before it happens; what it throws keeps the call from happening. */
export function watchedPorts<P extends Partial<Ports>>(
  ports: P,
  seen: (call: { readonly port: PortName; readonly method: string; readonly looks: boolean }) => void,
): P {
  const watched = Object.entries(ports).map(([name, port]) => [name, port && watch(name as PortName, port, seen)]);
  return Object.fromEntries(watched) as P;
}

function watch(port: PortName, target: object, seen: Parameters<typeof watchedPorts>[1]): object {
  return new Proxy(target, {
    get(held, member) {
      const value: unknown = Reflect.get(held, member);
      if (typeof value !== 'function' || typeof member !== 'string') return value;
      return (...given: unknown[]): unknown => {
        seen({ port, method: member, looks: onlyLooks(port, member, given) });
        return Reflect.apply(value, held, given);
      };
    },
  });
}

/** The same ports for phases that look: whatever would change the world is refused, and did not happen. */
export function lookingPorts<P extends Partial<Ports>>(ports: P, automation: string): P {
  return watchedPorts(ports, ({ port, method, looks }) => {
    if (looks) return;
    throw new StewardError('POLICY_REFUSED', `${automation} asked for ${port}.${method} in a phase that only looks.`, {
      hint: 'It was not done. This is a fault of the automation: only execute and rollback change anything.',
    });
  });
}
