import type { SightedRecipe } from '../../core/recipe-keeper.ts';
import type { Supervisor } from '../../core/resource.ts';
import { composeOf } from './identity.ts';
import type { Observation } from './observe.ts';

/** Who would bring it back. A bare process has nobody, unless its owner consented to Steward starting it again. */
export function supervisorOf(observation: Observation, sighted: SightedRecipe | undefined): Supervisor {
  const { unit, container, foreign } = observation;
  if (unit) return { kind: 'systemd', unit: unit.name, scope: unit.scope };
  if (container) {
    const { project, service } = composeOf(container.labels);
    return {
      kind: 'docker',
      container: container.id,
      name: container.name,
      ...(project ? { project } : {}),
      ...(service ? { service } : {}),
    };
  }
  if (foreign) return { kind: 'foreign', name: foreign };
  return sighted?.supervisor ?? { kind: 'none' };
}
