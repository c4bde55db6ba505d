import { canonicalJson } from '../../core/json.ts';
import type { ConfiguredService, KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import type { LaunchRecipe, Resource, Supervisor } from '../../core/resource.ts';
import { redactText } from '../../core/redact.ts';
import { configuredIdentity, describe, fits, processOf } from './match.ts';
import { distinctName, nameFor } from './naming.ts';
import type { Observation } from './observe.ts';
import type { Identification } from './identify.ts';
import { supervisorOf } from './supervisor.ts';
import { type Look, fromTrace, toTrace } from './trace.ts';
import type { AppName } from '../../core/recognizer.ts';

/** An observation that was looked at and named. */
export interface Identified {
  readonly observation: Observation;
  readonly known: KnownResource | undefined;
  readonly identification: Identification;
  readonly looks: Readonly<Record<string, Look>>;
  readonly app: AppName | undefined;
  readonly programVersion: string | undefined;
  /** How a bare process is started again, where the configuration asks for it. */
  readonly recipe: LaunchRecipe | undefined;
}

export interface ReconcileInput {
  readonly node: string;
  readonly now: Date;
  readonly known: readonly KnownResource[];
  readonly identified: readonly Identified[];
  readonly missing: readonly KnownResource[];
  readonly configured: readonly ConfiguredService[];
  readonly newId: () => string;
  /** Missing services whose unit or container still exists: stopped, not gone. */
  readonly stillThere: ReadonlySet<string>;
  /** Services that monitoring calls down: they stay visible while somebody should do something. */
  readonly down: ReadonlySet<string>;
  /** Whether what only this source shows can be called missing. */
  readonly blind: { readonly docker: boolean; readonly systemd: boolean };
  readonly grace: Grace;
}

export interface Grace {
  readonly scans: number;
  readonly ms: number;
  /** As long as monitoring calls it down. */
  readonly downMs: number;
}

export const GRACE: Grace = { scans: 3, ms: 15 * 60_000, downMs: 24 * 3_600_000 };

/** What a scan means for the inventory: pure, so that every case of ghosts and duplicates is a test without a machine. */
export function reconcile(input: ReconcileInput): ResourceChange[] {
  const names = new Set(
    input.known.filter(({ resource }) => resource.state === 'present').map(({ resource }) => resource.name),
  );
  const identities = new Set(input.known.map(({ resource }) => resource.identity));
  const seen = input.identified.map((item) => present(item, input, names, identities));
  const held = new Set(seen.map(({ known }) => known.resource.identity));
  const absent = input.missing.flatMap((known) =>
    held.has(known.resource.identity) ? [] : (absence(known, input) ?? []),
  );
  const configuredSeen = new Set([...seen, ...absent].map(({ known }) => known.resource.name));
  const placeholders = input.configured
    .filter((service) => !isIgnored(service))
    .filter(
      ({ name }) =>
        !configuredSeen.has(name) &&
        !input.known.some(
          ({ resource }) =>
            resource.state === 'present' && (resource.name === name || resource.identity === configuredIdentity(name)),
        ),
    )
    .map((service) => placeholder(service, input, names));
  return [...seen, ...absent, ...placeholders];
}

function configuredFor(
  observation: Observation,
  product: string,
  known: KnownResource | undefined,
  input: ReconcileInput,
): ConfiguredService | undefined {
  return input.configured.find(
    (service) =>
      !isIgnored(service) &&
      ((service.match && fits(service.match, describe(observation, product))) ||
        (known !== undefined && known.resource.identity === configuredIdentity(service.name))),
  );
}

/** An entry that only says what to leave alone. */
function isIgnored(service: ConfiguredService): boolean {
  return service.labels['steward.ignore'] === 'true';
}

/** The configuration decides while it says so, and a person before and after it. */
function adoptionOf(before: Resource | undefined, ignored: boolean, wasIgnored: boolean): Resource['adoption'] {
  if (ignored) return 'ignored';
  return before === undefined || wasIgnored ? 'adopted' : before.adoption;
}

function present(item: Identified, input: ReconcileInput, names: Set<string>, identities: Set<string>): ResourceChange {
  const { observation, known, identification } = item;
  const before = known?.resource;
  const trace = known && toTrace(known.trace);
  const service = configuredFor(observation, identification.product, known, input);
  const ignored =
    service === undefined &&
    input.configured.some(
      (entry) => isIgnored(entry) && entry.match && fits(entry.match, describe(observation, identification.product)),
    );
  const wanted = nameFor(observation, identification.product, item.app);
  const port = observation.endpoints.find((endpoint) => endpoint.port > 0)?.port;
  // A name that people have seen stays, except the stopgap of something that was not recognised yet.
  const keep =
    before !== undefined &&
    before.state === 'present' &&
    !(trace?.automaticName && before.product === 'unknown' && identification.product !== 'unknown');
  if (before && !keep) names.delete(before.name);
  const name = service?.name ?? (keep ? before.name : distinctName(wanted, port, names));
  names.add(name);

  const identity = before?.identity ?? freeIdentity(observation.base, identities);
  identities.add(identity);

  const resource: Resource = {
    id: before?.id ?? input.newId(),
    kind: 'service',
    identity,
    node: input.node,
    name,
    product: identification.product,
    ...(identification.version ? { version: identification.version } : {}),
    confidence: identification.confidence,
    evidence: identification.evidence.map((evidence) => ({
      ...evidence,
      detail: redactText(evidence.detail).slice(0, 300),
    })),
    endpoints: [...observation.endpoints],
    pids: [...observation.pids],
    supervisor: supervisorOf(observation, item.recipe),
    ...(observation.root ? { owner: observation.root.user } : {}),
    labels: { ...automaticLabels(observation), ...configuredLabels(service) },
    critical: service?.critical ?? false,
    adoption: adoptionOf(before, ignored, trace?.ignored ?? false),
    origin: service ? 'configured' : 'discovered',
    state: 'present',
    firstSeen: before?.firstSeen ?? input.now,
    lastSeen: input.now,
  };
  // A stopped container or unit shows no ports; where it listened is still where it will listen.
  const full =
    before && resource.endpoints.length === 0 && isDown(observation)
      ? { ...resource, endpoints: before.endpoints }
      : resource;
  const next: KnownResource = {
    resource: full,
    trace: fromTrace({
      base: observation.base,
      signature: observation.signature,
      process: processOf(observation),
      looks: item.looks,
      app: item.app,
      programVersion: item.programVersion,
      automaticName: service === undefined,
      ignored,
    }),
    missedScans: 0,
    missingSince: undefined,
  };
  if (!known) return { kind: 'found', known: next, changed: [] };
  const changed = differences(known.resource, full);
  if (known.resource.state === 'gone') return { kind: 'returned', known: next, changed };
  if (changed.length > 0) return { kind: 'changed', known: next, changed };
  return { kind: sameForNobody(known, next) ? 'seen' : 'refreshed', known: next, changed: [] };
}

/** Two instances that only their ports tell apart. */
function freeIdentity(base: string, taken: ReadonlySet<string>): string {
  let identity = base;
  for (let number = 2; taken.has(identity); number += 1) identity = `${base}#${number}`;
  return identity;
}

function isDown({ container, unit, root }: Observation): boolean {
  return (container !== undefined && container.state !== 'running') || (unit !== undefined && root === undefined);
}

function automaticLabels({ container }: Observation): Record<string, string> {
  const labels: Record<string, string> = {};
  if (container) labels.image = container.image;
  return labels;
}

function configuredLabels(service: ConfiguredService | undefined): Record<string, string> {
  if (!service) return {};
  return {
    ...service.labels,
    ...(service.owner ? { owner: service.owner } : {}),
    ...(service.restart === 'auto' ? {} : { 'steward.restart': service.restart }),
  };
}

const SHOWN = [
  'name',
  'product',
  'version',
  'endpoints',
  'supervisor',
  'owner',
  'labels',
  'critical',
  'origin',
  'adoption',
] as const satisfies readonly (keyof Resource)[];

/** Members that somebody may want to hear of. Process ids and evidence change with every restart and are not among them. */
function differences(before: Resource, after: Resource): string[] {
  return SHOWN.filter(
    (member) => canonicalJson(comparable(before[member])) !== canonicalJson(comparable(after[member])),
  );
}

/** A recreated container has another id and is the same container. */
function comparable(value: unknown): unknown {
  const supervisor = value as Supervisor | undefined;
  return typeof supervisor === 'object' && supervisor.kind === 'docker' ? { ...supervisor, container: '' } : value;
}

function sameForNobody(before: KnownResource, after: KnownResource): boolean {
  const part = ({ resource, trace }: KnownResource): unknown => ({
    pids: resource.pids,
    evidence: resource.evidence,
    confidence: resource.confidence,
    supervisor: resource.supervisor,
    trace,
  });
  return (
    before.missedScans === 0 &&
    canonicalJson(JSON.parse(JSON.stringify(part(before)))) === canonicalJson(JSON.parse(JSON.stringify(part(after))))
  );
}

/** Undefined where nothing is to be written: a tombstone that stays one, or a source that could not be asked. */
function absence(known: KnownResource, input: ReconcileInput): ResourceChange | undefined {
  const { resource } = known;
  if (resource.state === 'gone') return undefined;
  if (
    (resource.supervisor.kind === 'docker' && input.blind.docker) ||
    (resource.supervisor.kind === 'systemd' && input.blind.systemd)
  )
    return undefined;
  const service = input.configured.find(
    ({ name, match }) => resource.identity === configuredIdentity(name) || (match && resource.name === name),
  );
  if (service || input.stillThere.has(resource.id)) {
    const at: KnownResource = {
      ...known,
      resource: { ...resource, pids: [], lastSeen: input.now },
      missedScans: 0,
      missingSince: undefined,
    };
    return { kind: resource.pids.length > 0 || known.missedScans > 0 ? 'refreshed' : 'seen', known: at, changed: [] };
  }
  const missingSince = known.missingSince ?? input.now;
  const missedScans = known.missedScans + 1;
  const waited = input.now.getTime() - missingSince.getTime();
  const patience = input.down.has(resource.id) ? input.grace.downMs : input.grace.ms;
  if (missedScans >= input.grace.scans && waited >= patience) {
    return {
      kind: 'gone',
      known: {
        ...known,
        resource: { ...resource, state: 'gone', pids: [], goneSince: input.now },
        missedScans,
        missingSince,
      },
      changed: ['state'],
    };
  }
  return { kind: 'missing', known: { ...known, missedScans, missingSince }, changed: [] };
}

/** A service that only the configuration knows: another host's, or one that does not run at the moment. */
function placeholder(service: ConfiguredService, input: ReconcileInput, names: Set<string>): ResourceChange {
  const identity = configuredIdentity(service.name);
  const tombstone = input.known.find(({ resource }) => resource.identity === identity);
  names.add(service.name);
  const { unit, container } = service.match ?? {};
  const supervisor: Supervisor = unit
    ? { kind: 'systemd', unit: unit.includes('.') ? unit : `${unit}.service`, scope: 'system' }
    : container
      ? { kind: 'docker', container, name: container }
      : { kind: 'none' };
  const resource: Resource = {
    id: tombstone?.resource.id ?? input.newId(),
    kind: 'service',
    identity,
    node: input.node,
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
    firstSeen: tombstone?.resource.firstSeen ?? input.now,
    lastSeen: input.now,
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
  for (const url of [match?.url, ...checks.map((check) => (check.kind === 'http' ? check.url : undefined))]) {
    if (!url) continue;
    const { hostname, port, protocol } = new URL(url);
    endpoints.push({
      protocol: 'tcp',
      address: hostname,
      port: port ? Number(port) : protocol === 'https:' ? 443 : 80,
    });
  }
  for (const check of checks)
    if ('port' in check) endpoints.push({ protocol: 'tcp', address: check.host, port: check.port });
  return endpoints.filter(
    (endpoint, index) =>
      endpoints.findIndex((other) => other.port === endpoint.port && other.address === endpoint.address) === index,
  );
}
