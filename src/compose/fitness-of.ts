import { rehearseIn } from '../adapters/backups/sandbox.ts';
import { createExpiry } from '../adapters/expiry/index.ts';
import { createEngines } from '../adapters/fitness/engines.ts';
import { createFitness } from '../adapters/fitness/index.ts';
import { createMachineOf, type MachineOf } from '../adapters/fitness/machine.ts';
import type { StoreDeps } from '../adapters/repositories/index.ts';
import { type BackupsOf, sandboxOf, scratchOf } from './backups-of.ts';
import { backupSources } from './backups-from-config.ts';
import { expiringTables } from './databases-from-config.ts';
import { ms } from '../core/duration.ts';
import type { DatabaseLook } from '../core/database/look.ts';
import type { ExpiryPort } from '../core/ports/expiry.ts';
import type { FitnessPort, Rehearsal } from '../core/ports/fitness.ts';
import type { SocketsPort } from '../core/ports/sockets.ts';

export type ReachedFitness = Pick<FitnessPort, 'kinds' | 'look' | 'plans' | 'perform' | 'rehearse'>;

/** Databases as their backup sources reach them, by programs of a run or of Steward itself. */
export function fitnessOf(
  deps: BackupsOf & { readonly sockets: Pick<SocketsPort, 'listeners'> },
): (programs: StoreDeps['programs']) => ReachedFitness {
  const { settings, home, secrets, dockerHost, now } = deps;
  const machineOf: MachineOf = createMachineOf(deps.sockets);
  const measured = new Map<string, DatabaseLook>();
  const rehearsed = new Map<string, Rehearsal>();
  return (programs) =>
    createFitness({
      sources: () => backupSources(settings()),
      engines: createEngines({
        secrets,
        dockerHost,
        programs,
        scratch: scratchOf(home),
        lockMs: () => ms(settings().databases.lockTimeout),
        now,
        machineOf,
      }),
      rehearse: rehearseIn(sandboxOf(deps)(programs)),
      now,
      measured,
      rehearsed,
    });
}

/** Tables of these databases whose rows expire, as the configuration names them. */
export function expiryOf({
  settings,
  secrets,
  dockerHost,
}: BackupsOf): (programs: StoreDeps['programs']) => ExpiryPort {
  return (programs) =>
    createExpiry({
      tables: () => expiringTables(settings()),
      sources: () => backupSources(settings()),
      secrets,
      dockerHost,
      programs,
    });
}
