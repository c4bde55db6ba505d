/** What a control group says of itself. */
export interface GroupUsage {
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
}

/** Where a group is in each hierarchy that accounts for something: one path on version 2, up to two on version 1. */
export type GroupPlace =
  | { readonly version: 2; readonly path: string }
  | { readonly version: 1; readonly cpu: string; readonly memory: string };

type Read = (path: string) => string | undefined;

const ROOT = '/sys/fs/cgroup';

/** From the text of /proc/<pid>/cgroup; undefined where it is in no group of its own, or nothing accounts for it. */
export function placeOf(text: string): GroupPlace | undefined {
  const paths = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, controllers, ...rest] = line.split(':');
    for (const controller of controllers?.split(',') ?? []) paths.set(controller, rest.join(':').trimEnd());
  }
  const [cpu, memory, unified] = ['cpuacct', 'memory', ''].map((name) => paths.get(name));
  const named = (path: string | undefined): path is string =>
    path !== undefined && path !== '/' && path !== '' && !path.includes('..');
  if (named(cpu) && named(memory)) return { version: 1, cpu, memory };
  return named(unified) && cpu === undefined ? { version: 2, path: unified } : undefined;
}

/** Of a unit the group that bears its name, of a container that of all of it: not a part that it made below. */
export function outermost(text: string, isIts: (component: string) => boolean): string {
  return text
    .split('\n')
    .map((line) => {
      const [number, controllers, ...rest] = line.split(':');
      if (controllers === undefined) return line;
      const components = rest.join(':').split('/');
      const own = components.findIndex((component) => isIts(component));
      return `${number}:${controllers}:${(own < 0 ? components : components.slice(0, own + 1)).join('/')}`;
    })
    .join('\n');
}

/** undefined where there is no such group (any more). */
export function readGroup(place: GroupPlace, read: Read): GroupUsage | undefined {
  const found =
    place.version === 2
      ? readUnified(`${ROOT}${place.path}`, read)
      : readDivided(`${ROOT}/cpuacct${place.cpu}`, `${ROOT}/memory${place.memory}`, read);
  return Number.isFinite(found.cpuSeconds) && Number.isFinite(found.memoryBytes) ? found : undefined;
}

/** Of the group itself; those in groups below it are not among them. */
export function pidsOfGroup(place: GroupPlace, read: Read): number[] {
  const at = place.version === 2 ? `${ROOT}${place.path}` : `${ROOT}/memory${place.memory}`;
  return (read(`${at}/cgroup.procs`) ?? '').split('\n').flatMap((line) => Number(line) || []);
}

function readUnified(at: string, read: Read): GroupUsage {
  return {
    cpuSeconds: Number(/^usage_usec (\d+)$/m.exec(read(`${at}/cpu.stat`) ?? '')?.[1] ?? Number.NaN) / 1e6,
    memoryBytes: held(read(`${at}/memory.current`), read(`${at}/memory.stat`)),
  };
}

function readDivided(cpu: string, memory: string, read: Read): GroupUsage {
  return {
    cpuSeconds: numberIn(read(`${cpu}/cpuacct.usage`)) / 1e9,
    memoryBytes: held(read(`${memory}/memory.usage_in_bytes`), read(`${memory}/memory.stat`)),
  };
}

/** Cached pages that the kernel drops before anything else are nobody's need; `docker stats` leaves them out as well. */
function held(usage: string | undefined, stat: string | undefined): number {
  const cached = /^(?:total_)inactive_file (\d+)$/m.exec(stat ?? '') ?? /^inactive_file (\d+)$/m.exec(stat ?? '');
  return Math.max(0, numberIn(usage) - Number(cached?.[1] ?? 0));
}

function numberIn(text: string | undefined): number {
  return Number(text?.trim() || Number.NaN);
}
