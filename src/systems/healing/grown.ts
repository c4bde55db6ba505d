import type { Inventory } from '../../core/inventory.ts';
import type { Resource } from '../../core/resource.ts';
import { restartLabel } from '../../core/runbook.ts';

/** The service that a memory check saw grow most, where it may be restarted at all; otherwise nobody is taken in its place. */
export async function grownService(
  seen: Readonly<Record<string, unknown>> | undefined,
  node: string,
  inventory: Pick<Inventory, 'find'>,
): Promise<Resource | undefined> {
  const holder = seen?.['grown'];
  if (typeof holder !== 'string') return undefined;
  const own = (await inventory.find({ node })).find(({ supervisor, pids }) => {
    if (supervisor.kind === 'systemd') return holder === `unit:${supervisor.scope}:${supervisor.unit}`;
    if (supervisor.kind === 'docker') return holder === `container:${supervisor.container}`;
    return supervisor.kind === 'process' && pids.some((pid) => holder === `pid:${pid}`);
  });
  return own && own.adoption === 'adopted' && restartLabel(own) !== 'never' && !own.critical ? own : undefined;
}
