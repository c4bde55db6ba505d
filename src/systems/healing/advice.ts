import type { Problem } from '../../core/check.ts';
import { isProblem } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import { restartLabel } from '../../core/runbook.ts';

/** What a person can do where no runbook may act. */
export function adviceFor(resource: Resource, symptom: string): string {
  const { name, adoption } = resource;
  if (adoption !== 'adopted')
    return `${name} was found where others may own it, so nothing is done to it. Adopt it to have it healed.`;
  return isProblem(symptom) ? TROUBLES[symptom](name) : restartAdvice(resource);
}

function restartAdvice(resource: Resource): string {
  const { name, supervisor } = resource;
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

const TROUBLES: Readonly<Record<Problem, (name: string) => string>> = {
  'disk.full': () =>
    'See what could go with: steward plan free-disk-space. What it never removes, volumes above all, is for you to look through.',
  'inodes.full': () =>
    'Many small files used the inodes up: find the folder with du --inodes -x / | sort -n | tail, and what writes there.',
  'memory.high': (name) =>
    `See what can give some back with: steward plan relieve-memory --service ${name}; and what holds it with: ps -eo rss,pid,args --sort=-rss | head. Restart or limit what grew, or add memory.`,
  'load.high': (name) =>
    `Nothing that Steward may end is known to cause the load of ${name}. See what runs with: ps -eo pcpu,stat,pid,args --sort=-pcpu | head; many in state D wait for a disk.`,
  'database.locked': (name) =>
    `See which session holds the lock with a dry run: steward run end-blocking-session --service ${name} --dry-run. End it, or finish its transaction where it was begun.`,
  'pool.exhausted': (name) =>
    `See who holds the connections of ${name} with a dry run: steward run recycle-connections --service ${name} --dry-run. Close what leaks, raise the limit, or put a pooler in front.`,
  'process.frozen': (name) =>
    `${name} lives and does nothing. See what its process waits for with: ps -o pid,stat,wchan:32,args -p <pid>. In state T a signal stopped it, and kill -CONT <pid> lets it go on; in D it waits for a disk or a driver; in any other it hangs, and its logs say at what.`,
};
