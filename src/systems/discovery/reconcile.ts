import { CHECK_LABEL } from '../../core/check-address.ts';
import { LABEL_PROBLEMS } from '../../core/group.ts';
import { canonicalJson } from '../../core/json.ts';
import type { ConfiguredService, KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import type { Resource, Supervisor } from '../../core/resource.ts';
import { redactText } from '../../core/redact.ts';
import { adoptionOf, assign, configuredLabels, isConfigured, isIgnored, placeholder } from './configuration.ts';
import { type LabelWish, readLabels } from './container-labels.ts';
import { describe, type Identified, isMeant, processOf } from './match.ts';
import { distinctName, nameFor } from './naming.ts';
import type { Observation } from './observe.ts';
import type { Identification } from './identify.ts';
import { asConfigured, keptSight, type Sighted } from './consent.ts';
import { supervisorOf } from './supervisor.ts';
import { asDeclaredOnly, declaredChange, type DeclaredService } from './declared-services.ts';
import { fromTrace, toTrace } from './trace.ts';

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
  /** How bare processes would be started again. */
  readonly sighted: Sighted;
  /** What compose files declare, by the identity that its container has. */
  readonly declared?: ReadonlyMap<string, DeclaredService> | undefined;
  /** The labels of containers may have Steward call other hosts than the container. */
  readonly trustLabels?: boolean | undefined;
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
  const { known, configured } = input;
  const entries = configured.filter((service) => !isIgnored(service));
  const names = new Set([
    ...entries.map(({ name }) => name),
    ...known.filter(({ resource }) => resource.state === 'present').map(({ resource }) => resource.name),
  ]);
  const taken: Taken = { names, identities: new Set(known.map(({ resource }) => resource.identity)) };
  const assigned = assign(entries, input.identified);
  const seen = input.identified.map((item) => present(item, assigned.get(item), input, taken));
  const held = new Set(seen.map((change) => change.known.resource.identity));
  const absent = input.missing.flatMap((candidate) =>
    held.has(candidate.resource.identity) ? [] : (absence(candidate, input) ?? []),
  );
  const met = new Set([...assigned.values()].map(({ name }) => name));
  const remembered = new Set(known.filter(isConfigured).map(({ resource }) => resource.name));
  const placeholders = entries
    .filter(({ name }) => !met.has(name) && !remembered.has(name))
    .map((service) => placeholder(service, input));
  return [...seen, ...absent, ...placeholders, ...declaredOnly(input, names)];
}

/** What a compose file declares and nothing was ever seen of. */
function declaredOnly(input: ReconcileInput, names: Set<string>): ResourceChange[] {
  const seen = new Set([
    ...input.identified.map(({ observation }) => observation.base),
    ...input.known.map(({ trace }) => toTrace(trace).base),
  ]);
  return [...(input.declared?.values() ?? [])]
    .filter(({ base }) => !seen.has(base))
    .map((service) => {
      const name = distinctName(service.name, undefined, names);
      names.add(name);
      const { node, now } = input;
      const known = asDeclaredOnly(service, undefined, { node, now, id: input.newId(), name });
      return { kind: 'found', known, changed: [] };
    });
}

interface Taken {
  readonly names: Set<string>;
  readonly identities: Set<string>;
}

function present(
  item: Identified,
  service: ConfiguredService | undefined,
  input: ReconcileInput,
  { names, identities }: Taken,
): ResourceChange {
  const { observation, known, identification } = item;
  const before = known?.resource;
  const trace = known && toTrace(known.trace);
  const ignored =
    service === undefined &&
    input.configured.some((entry) => isIgnored(entry) && isMeant(entry, describe(observation, identification.product)));
  const wish = wishOf(observation, before, input);
  const wanted = nameFor(observation, identification.product, item.app);
  const port = observation.endpoints.find((endpoint) => endpoint.port > 0)?.port;
  const labelled = wish?.name === before?.name || (wish?.name && !names.has(wish.name)) ? wish?.name : undefined;
  const name =
    service?.name ?? labelled ?? keptName(known, wanted, identification, input) ?? distinctName(wanted, port, names);
  if (before && before.name !== name && before.state === 'present') names.delete(before.name);
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
    supervisor: supervisorOf(observation, service && (input.sighted.get(service.name) ?? keptSight(before, service))),
    ...(observation.root ? { owner: observation.root.user } : {}),
    labels: {
      ...joinedLabels(before),
      ...automaticLabels(item),
      ...labelsOf(wish, service === undefined && labelled === undefined),
      ...configuredLabels(service),
    },
    critical: service?.critical ?? wish?.critical ?? false,
    adoption: adoptionOf(before, ignored, trace?.ignored ?? false),
    origin: service ? 'configured' : 'discovered',
    ...declaredOf(observation.base, input),
    ...(before?.published ? { published: before.published } : {}),
    state: 'present',
    firstSeen: before?.firstSeen ?? input.now,
    lastSeen: input.now,
  };
  // Stopped or starting, a container or unit shows no ports; where it listened is still where it will listen.
  const full =
    before && resource.endpoints.length === 0 && listensLater(observation, input.now)
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

/** A name that somebody else has is no name; that is told like any other mistake in a label. */
function labelsOf(wish: LabelWish | undefined, isNameless: boolean): Readonly<Record<string, string>> {
  if (wish?.name === undefined || !isNameless) return wish?.labels ?? {};
  const taken = 'steward.name: expected a name that nothing else has';
  const { [LABEL_PROBLEMS]: others } = wish.labels;
  return { ...wish.labels, [LABEL_PROBLEMS]: others === undefined ? taken : `${taken}\n${others}` };
}

/** What a container that does not run is to be asked is what it was asked while it ran. */
function wishOf(
  { container, reachable }: Observation,
  before: Resource | undefined,
  { configured, trustLabels = false }: ReconcileInput,
): LabelWish | undefined {
  if (!container) return undefined;
  const groups = new Set(configured.filter(({ members }) => members !== undefined).map(({ name }) => name));
  const wish = readLabels({ container, reachable }, { trusted: trustLabels, groups });
  if (container.state === 'running') return wish;
  const asked = Object.entries(before?.labels ?? {}).filter(
    ([label]) => label.startsWith(CHECK_LABEL) && label in container.labels,
  );
  return { ...wish, labels: { ...wish.labels, ...Object.fromEntries(asked) } };
}

function declaredOf(base: string, { declared }: ReconcileInput): Pick<Resource, 'declared'> {
  const found = declared?.get(base)?.declared;
  return found ? { declared: { ...found, running: true } } : {};
}

/** A name that people have seen stays, except a stopgap of what was not recognized yet, and one that the configuration gives to another. */
function keptName(
  known: KnownResource | undefined,
  wanted: string,
  { product }: Identification,
  input: ReconcileInput,
): string | undefined {
  if (!known || known.resource.state === 'gone') return undefined;
  const { name } = known.resource;
  if (input.configured.some((entry) => entry.name === name && !isIgnored(entry))) return undefined;
  const stopgap = toTrace(known.trace).automaticName && known.resource.product === 'unknown' && product !== 'unknown';
  return stopgap && name !== wanted ? undefined : name;
}

/** Two instances that only their ports tell apart. */
function freeIdentity(base: string, taken: ReadonlySet<string>): string {
  let identity = base;
  for (let number = 2; taken.has(identity); number += 1) identity = `${base}#${number}`;
  return identity;
}

const STARTING_MS = 10 * 60_000;

function listensLater({ container, unit, root }: Observation, now: Date): boolean {
  if (!container && !unit) return false;
  if (!root || (container && container.state !== 'running')) return true;
  return now.getTime() - root.startedAt.getTime() < STARTING_MS;
}

/** What files say of a tool server that runs is compared once all is known. */
function joinedLabels(before: Resource | undefined): Record<string, string> {
  const { 'mcp.file': file, 'mcp.user': user } = before?.labels ?? {};
  return file === undefined ? {} : { 'mcp.file': file, ...(user === undefined ? {} : { 'mcp.user': user }) };
}

function automaticLabels({ observation, looks }: Identified): Record<string, string> {
  const labels: Record<string, string> = {};
  if (observation.container) labels.image = observation.container.image;
  const mcp = Object.values(looks)
    .flatMap(({ recognition }) => recognition.sightings)
    .find(({ protocol }) => protocol === 'mcp');
  for (const member of ['name', 'transport', 'tools', 'toolNames'] as const)
    if (mcp?.fields[member]) labels[`mcp.${member}`] = redactText(mcp.fields[member]);
  return labels;
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
  'declared',
  'published',
] as const satisfies readonly (keyof Resource)[];

/** Members that somebody may want to hear of. Process ids and evidence change with every restart and are not among them. */
export function differences(before: Resource, after: Resource): string[] {
  return SHOWN.filter(
    (member) => canonicalJson(comparable(before[member])) !== canonicalJson(comparable(after[member])),
  );
}

/** A recreated container has another id and is the same container. */
export function comparable(value: unknown): unknown {
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
  const declared = input.declared?.get(toTrace(known.trace).base);
  if (resource.state === 'gone' && !declared) return undefined;
  if (
    ((resource.supervisor.kind === 'docker' || resource.declared) && input.blind.docker) ||
    (resource.supervisor.kind === 'systemd' && input.blind.systemd)
  )
    return undefined;
  const named = isConfigured(known)
    ? input.configured.find((entry) => entry.name === resource.name && !isIgnored(entry))
    : undefined;
  if (named || input.stillThere.has(resource.id)) {
    const now = named ? asConfigured(resource, named, input.sighted) : resource;
    const at: KnownResource = {
      ...known,
      resource: { ...now, pids: [], lastSeen: input.now },
      missedScans: 0,
      missingSince: undefined,
    };
    const changed = differences(resource, now);
    if (changed.length > 0) return { kind: 'changed', known: at, changed };
    return { kind: resource.pids.length > 0 || known.missedScans > 0 ? 'refreshed' : 'seen', known: at, changed: [] };
  }
  if (declared) {
    const { id, name } = resource;
    const next = asDeclaredOnly(declared, known, { node: input.node, now: input.now, id, name });
    return declaredChange(known, next, differences(resource, next.resource));
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
