import { addressOf } from '../../core/describe-target.ts';
import type { ConfiguredService, KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import type { SightedRecipe } from '../../core/recipe-keeper.ts';
import type { Resource, Supervisor } from '../../core/resource.ts';
import { configuredIdentity, describe, type Identified, isMeant, matchOf, portOf } from './match.ts';
import { fromTrace, toTrace } from './trace.ts';

/** Whether its name is the configuration's, from this scan or an earlier one. */
export function isConfigured({ resource, trace }: KnownResource): boolean {
  return resource.state === 'present' && resource.origin === 'configured' && !toTrace(trace).automaticName;
}

/** Which service each entry means: the one it meant before, else the first that fits. One entry never names two. */
export function assign(
  entries: readonly ConfiguredService[],
  identified: readonly Identified[],
): Map<Identified, ConfiguredService> {
  const assigned = new Map<Identified, ConfiguredService>();
  for (const entry of entries) {
    const fitting = identified.filter(
      (item) =>
        !assigned.has(item) &&
        (item.known?.resource.identity === configuredIdentity(entry.name) ||
          isMeant(entry, describe(item.observation, item.identification.product))),
    );
    const chosen = fitting.find(({ known }) => known?.resource.name === entry.name) ?? fitting[0];
    if (chosen) assigned.set(chosen, entry);
  }
  return assigned;
}

/** An entry that only says what to leave alone. */
export function isIgnored(service: ConfiguredService): boolean {
  return service.labels['steward.ignore'] === 'true';
}

/** The configuration decides while it says so, and a person before and after it. */
export function adoptionOf(before: Resource | undefined, ignored: boolean, wasIgnored: boolean): Resource['adoption'] {
  if (ignored) return 'ignored';
  return before === undefined || wasIgnored ? 'adopted' : before.adoption;
}

export function configuredLabels(service: ConfiguredService | undefined): Record<string, string> {
  if (!service) return {};
  return {
    ...service.labels,
    ...(service.owner ? { owner: service.owner } : {}),
    ...(service.restart === 'auto' ? {} : { 'steward.restart': service.restart }),
  };
}

/** A service that only the configuration knows: another host's, or one that does not run at the moment. */
export function placeholder(
  service: ConfiguredService,
  {
    node,
    now,
    known,
    newId,
    sighted,
  }: {
    node: string;
    now: Date;
    known: readonly KnownResource[];
    newId: () => string;
    sighted: ReadonlyMap<string, SightedRecipe>;
  },
): ResourceChange {
  const identity = configuredIdentity(service.name);
  const tombstone = known.find(({ resource }) => resource.identity === identity);
  const { unit, container } = matchOf(service) ?? {};
  const supervisor: Supervisor = unit
    ? { kind: 'systemd', unit: unit.includes('.') ? unit : `${unit}.service`, scope: 'system' }
    : container
      ? { kind: 'docker', container, name: container }
      : (sighted.get(service.name)?.supervisor ?? { kind: 'none' });
  const resource: Resource = {
    id: tombstone?.resource.id ?? newId(),
    kind: 'service',
    identity,
    node: node,
    name: service.name,
    product: service.match?.product ?? 'unknown',
    confidence: service.match?.product ? 1 : 0,
    evidence: [{ source: 'configuration', detail: `steward.yaml names ${service.name}`, weight: 1 }],
    endpoints: endpointsOf(service),
    pids: [],
    supervisor,
    labels: configuredLabels(service),
    critical: service.critical,
    adoption: 'adopted',
    origin: 'configured',
    state: 'present',
    firstSeen: tombstone?.resource.firstSeen ?? now,
    lastSeen: now,
  };
  const trace = {
    base: '',
    signature: undefined,
    process: undefined,
    looks: {},
    app: undefined,
    programVersion: undefined,
    automaticName: false,
    ignored: false,
  };
  return {
    kind: tombstone ? 'returned' : 'found',
    known: { resource, trace: fromTrace(trace), missedScans: 0, missingSince: undefined },
    changed: [],
  };
}

function endpointsOf({ match, checks }: ConfiguredService): Resource['endpoints'] {
  const endpoints: Resource['endpoints'] = match?.port
    ? [{ protocol: 'tcp', address: '127.0.0.1', port: match.port }]
    : [];
  if (match?.url) endpoints.push({ protocol: 'tcp', address: new URL(match.url).hostname, port: portOf(match.url) });
  for (const check of checks) {
    // A certificate or a model is looked at beside whatever else is asked there.
    const address = check.kind === 'tls' || check.kind === 'models' ? undefined : addressOf(check);
    if (address) endpoints.push({ protocol: 'tcp', address: address.host, port: address.port });
  }
  return endpoints.filter(
    (endpoint, index) =>
      endpoints.findIndex((other) => other.port === endpoint.port && other.address === endpoint.address) === index,
  );
}
