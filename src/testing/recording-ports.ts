import { watchedPorts } from '../core/port-reads.ts';
import type { Ports } from '../core/ports.ts';

/** The same ports, with a list of the calls that change the world: every one that is not known to look. */
export function recordingPorts<P extends Partial<Ports>>(
  ports: P,
  onChange: (call: string) => void = () => undefined,
): { readonly ports: P; readonly changes: string[] } {
  const changes: string[] = [];
  const recorded = watchedPorts(ports, ({ port, method, looks }) => {
    if (looks) return;
    const call = `${port}.${method}`;
    changes.push(call);
    onChange(call);
  });
  return { ports: recorded, changes };
}
