import { createHash } from 'node:crypto';
import type { Check } from '../../core/check.ts';
import { type CheckSettings, type UnnamedCheck, type WebPorts, checksOf } from '../../core/default-checks.ts';
import { canonicalJson } from '../../core/json.ts';
import type { Resource } from '../../core/resource.ts';

/** Watched is what is recognized, supervised or configured; an unknown program that somebody started by hand may also end by itself. */
export function isWatched(resource: Resource, settings: CheckSettings): boolean {
  if (resource.kind === 'node') return settings.machine !== undefined;
  if (resource.adoption === 'ignored' || !['service', 'container', 'database'].includes(resource.kind)) return false;
  if (settings.checksFor(resource).length > 0 || resource.origin === 'configured') return true;
  if (resource.declared?.running === false) return false;
  return (
    resource.product !== 'unknown' || resource.supervisor.kind === 'systemd' || resource.supervisor.kind === 'docker'
  );
}

/** What is looked at for this resource, each under the id by which its history is kept. */
export function namedChecks(resource: Resource, settings: CheckSettings, web: WebPorts): Check[] {
  const named = checksOf(resource, settings, web).map((check) => ({ ...check, id: idOf(check) }));
  return [...new Map(named.map((check) => [check.id, check])).values()];
}

/** Pid and password are left out of the identity: a process that was restarted is watched by the same check. */
function idOf({ resourceId, target }: UnnamedCheck): string {
  const identity = canonicalJson({ ...target, pid: undefined, password: undefined });
  return `chk_${createHash('sha256').update(`${resourceId}\n${identity}`).digest('hex').slice(0, 20)}`;
}
