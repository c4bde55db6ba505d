import { isDeepStrictEqual } from 'node:util';
import { fileCheckpoints, syslogCheckpoints, urlCheckpoints } from '../adapters/checkpoints/index.ts';
import { createSyslog, type SyslogDeps } from '../adapters/syslog/index.ts';
import type { Outbound } from '../adapters/outbound/outbound.ts';
import { redactConfig } from '../config/redact-config.ts';
import type { Config } from '../config/schema.ts';
import type { ConfigService } from '../config/watch.ts';
import { systemActor } from '../core/actor.ts';
import type { AuditLog, CheckpointPlace } from '../core/audit.ts';
import { ms } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { NewIncident } from '../core/incident.ts';
import type { Json } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import type { System } from '../core/system.ts';
import type { AuditDeps } from '../systems/audit/index.ts';
import type { AuditReport } from '../systems/audit/verify.ts';

/** Where the record goes besides the store, as the configuration says. */
export function auditDestinations(
  { audit }: Pick<Config, 'audit'>,
  deps: SyslogDeps & { readonly outbound: Outbound; readonly node: string },
): Required<Pick<AuditDeps, 'places' | 'forward'>> {
  const placeOf = (written: Config['audit']['checkpoints'][number]): CheckpointPlace => {
    if ('path' in written) return fileCheckpoints(written.path);
    if ('url' in written) return urlCheckpoints(written, deps);
    return syslogCheckpoints(createSyslog(written.syslog, deps), deps.node);
  };
  return {
    places: audit.checkpoints.map((written) => ({ place: placeOf(written), everyMs: ms(written.every) })),
    forward: audit.forward.map(({ syslog }) => createSyslog(syslog, deps)),
  };
}

/** What a change of the configuration changed, section by section; the file has no other author than who may write it. */
export function configurationRecord(
  config: Pick<ConfigService, 'subscribe' | 'current'>,
  { audit, log }: { readonly audit: AuditLog; readonly log: Log },
): System {
  let end: (() => void) | undefined;
  const write = async (next: Config, previous: Config): Promise<void> => {
    const changed = (Object.keys(next) as (keyof Config)[]).filter(
      (section) => !isDeepStrictEqual(next[section], previous[section]),
    );
    const only = (one: Config): Json => {
      const shown = redactConfig(one) as Readonly<Record<string, Json>>;
      return Object.fromEntries(changed.map((section) => [section, shown[section] ?? null]));
    };
    await audit.append({
      action: 'config.loaded',
      actor: systemActor('configuration'),
      subject: { kind: 'config', id: config.current().file },
      outcome: 'succeeded',
      from: 'local',
      before: only(previous),
      after: only(next),
      detail: { changed },
    });
  };
  return {
    name: 'configuration',
    operations: [],
    jobs: [],
    async start() {
      end = config.subscribe((next, previous) => {
        write(next, previous).catch((thrown: unknown) =>
          log.error('change of the configuration not audited', { reason: StewardError.from(thrown).message }),
        );
      });
    },
    async stop() {
      end?.();
    },
  };
}

export function brokenRecord({ chain, problem }: AuditReport, node: { readonly name: string }): NewIncident {
  return {
    fingerprint: `audit.broken:${chain}`,
    title: `The audit log of ${node.name} is broken at record ${problem?.seq ?? 0}: ${problem?.message ?? 'it is not what was written'}`,
    symptom: 'security.anomaly',
    severity: 'critical',
    evidence: { chain, ...problem },
  };
}
