import type { Incident } from '../../../core/incident.ts';
import type { Resource } from '../../../core/resource.ts';
import { restartProcess } from './restart-process.ts';
import { restartSupervised } from './restart-supervised.ts';
import { restartLabel, type Runbook } from './runbook.ts';

/** The first that matches is taken. */
export const RUNBOOKS: readonly Runbook[] = [restartSupervised, restartProcess];

export function runbookFor(incident: Incident, resource: Resource): Runbook | undefined {
  return RUNBOOKS.find((runbook) => runbook.matches(incident, resource));
}

/** What a person can do where no runbook may act. */
export function adviceFor(resource: Resource): string {
  const { name, supervisor, adoption } = resource;
  if (adoption !== 'adopted')
    return `${name} was found where others may own it, so nothing is done to it. Adopt it to have it healed.`;
  if (restartLabel(resource) === 'never')
    return `The configuration leaves ${name} to people (restart: never). Look at its evidence and restart it yourself.`;
  switch (supervisor.kind) {
    case 'process':
      return `Nothing supervises ${name}, which ran as ${supervisor.recipe.executable} in ${supervisor.recipe.cwd}. Start it by hand; set restart: process in steward.yaml to have Steward do it, or make it a systemd unit.`;
    case 'foreign':
      return `${supervisor.name} keeps ${name} running, and Steward does not drive ${supervisor.name}. Restart it there.`;
    case 'none':
      if (supervisor.reason !== undefined)
        return `Steward cannot start ${name} again, though restart: process asks for it. ${supervisor.reason}`;
      return `It is not known how ${name} was started. Start it by hand; with restart: process in steward.yaml, under systemd or in a container Steward could do it.`;
    case 'systemd':
    case 'docker':
      return `Look at the evidence of ${name} and its logs; then restart it with: steward run restart-service --service ${name}`;
  }
}
