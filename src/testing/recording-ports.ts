import type { PortName, Ports } from '../core/ports.ts';

/** The methods of each port that change the world. Everything else looks. */
const CHANGES: Readonly<Partial<Record<PortName, readonly string[]>>> = {
  docker: ['restart'],
  systemd: ['restart'],
  processes: ['signal', 'launch'],
  recipes: ['launch'],
  files: ['move', 'makeDirectory', 'remove'],
  // What a program does is not known from outside, so running one counts.
  programs: ['run'],
};

/** The same ports, with a list of the calls that change the world. */
export function recordingPorts<P extends Partial<Ports>>(ports: P): { readonly ports: P; readonly changes: string[] } {
  const changes: string[] = [];
  const watched = Object.entries(ports).map(([name, port]) => [
    name,
    new Proxy(port as object, {
      get(target, member, receiver) {
        const value: unknown = Reflect.get(target, member, receiver);
        if (typeof value !== 'function' || !CHANGES[name as PortName]?.includes(String(member))) return value;
        return (...given: unknown[]): unknown => {
          changes.push(`${name}.${String(member)}`);
          return Reflect.apply(value, target, given);
        };
      },
    }),
  ]);
  return { ports: Object.fromEntries(watched) as P, changes };
}
