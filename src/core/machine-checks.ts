import { CheckTarget } from './check.ts';

/** How much of the machine may be in use. One ladder: above each of these it is degraded, above `heal` healing acts. */
export interface MachineThresholds {
  /** Percent. */
  readonly memory: number;
  readonly disk: number;
  readonly inodes: number;
  readonly heal: number;
  /** Average load of five minutes for each core. */
  readonly load: number;
}

/** What is looked at on every node. The step at which healing acts never comes before the warning. */
export function machineTargets({ memory, disk, inodes, heal, load }: MachineThresholds): CheckTarget[] {
  const ladder = (warn: number) => ({ warn, heal: Math.max(warn, heal) });
  return [
    { kind: 'memory', ...ladder(memory) },
    { kind: 'load', perCore: load },
    { kind: 'disk', ...ladder(disk) },
    { kind: 'inodes', ...ladder(inodes) },
  ].map((target) => CheckTarget.parse(target));
}
