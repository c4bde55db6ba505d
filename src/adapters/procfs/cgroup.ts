export interface ControlGroup {
  readonly unit: string | undefined;
  readonly scope: 'system' | 'user' | undefined;
  readonly container: string | undefined;
}

const CONTAINER = /(?:^|[/:-])([0-9a-f]{64})(?:\.scope)?(?:\/|$)/;
/** Transient units in which Steward starts bare processes again: a way out of its own unit, not a supervisor. */
export const LAUNCH_UNIT = 'steward-launch-';
const USER_MANAGER = /^user@\d+\.service$/;

/**
 * Who started a process, from the text of /proc/<pid>/cgroup (v1 and v2). A unit inside a container belongs to the
 * container's own systemd, so it is not told: the unit of that name out here would be another one.
 */
export function parseControlGroup(text: string): ControlGroup {
  let container: string | undefined;
  let path: string | undefined;
  for (const line of text.split('\n')) {
    const [, controllers, ...rest] = line.split(':');
    if (controllers === undefined) continue;
    const candidate = rest.join(':');
    container ??= CONTAINER.exec(candidate)?.[1];
    // On a hybrid machine both lines exist; systemd names its units in the one of its own hierarchy.
    if (controllers === 'name=systemd' || (controllers === '' && path === undefined)) path = candidate;
  }
  if (container !== undefined || path === undefined) return { unit: undefined, scope: undefined, container };
  const services = path.split('/').filter((component) => component.endsWith('.service'));
  const last = services.at(-1);
  // A program of a login session is in user@1000.service without being it: restarting that would end the session.
  if (last === undefined || USER_MANAGER.test(last) || last.startsWith(LAUNCH_UNIT))
    return { unit: undefined, scope: undefined, container };
  return {
    unit: unescapeUnit(last),
    scope: services.some((name) => USER_MANAGER.test(name)) ? 'user' : 'system',
    container,
  };
}

// systemd puts an underscore before names that the kernel would mistake for its own files.
function unescapeUnit(name: string): string {
  return name.startsWith('_') ? name.slice(1) : name;
}
