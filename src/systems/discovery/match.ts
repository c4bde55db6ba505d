import { addressOf } from '../../core/describe-target.ts';
import type { ConfiguredService, KnownResource } from '../../core/inventory-writer.ts';
import type { AppName } from '../../core/recognizer.ts';
import type { Resource } from '../../core/resource.ts';
import { fileOf, runnerOf } from './clues.ts';
import { sameProgram } from './identity.ts';
import type { Identification } from './identify.ts';
import type { Observation } from './observe.ts';
import { type Look, toTrace } from './trace.ts';

export interface Matched {
  readonly observation: Observation;
  readonly known: KnownResource | undefined;
}

/** An observation that was looked at and named. */
export interface Identified {
  readonly observation: Observation;
  readonly known: KnownResource | undefined;
  readonly identification: Identification;
  readonly looks: Readonly<Record<string, Look>>;
  readonly app: AppName | undefined;
  readonly programVersion: string | undefined;
}

type Rule = (observation: Observation, known: KnownResource) => boolean;

/**
 * Which known resource each observation is again. Rules are tried from certain to likely; a rule matches only where
 * it leaves exactly one candidate on both sides, so that two instances of a program never swap names.
 */
export function matchKnown(
  observations: readonly Observation[],
  known: readonly KnownResource[],
  configured: readonly ConfiguredService[],
): { matched: Matched[]; missing: KnownResource[] } {
  const found = new Map<Observation, KnownResource>();
  const taken = new Set<KnownResource>();
  for (const rule of rules(configured)) {
    const open = observations.filter((observation) => !found.has(observation));
    const free = known.filter((candidate) => !taken.has(candidate));
    const pairs = open.flatMap((observation) => {
      const candidates = preferLiving(free.filter((candidate) => rule(observation, candidate)));
      return candidates.length === 1 && candidates[0] ? [[observation, candidates[0]] as const] : [];
    });
    for (const [observation, candidate] of pairs) {
      if (pairs.filter(([, other]) => other === candidate).length > 1) continue;
      found.set(observation, candidate);
      taken.add(candidate);
    }
  }
  return {
    matched: observations.map((observation) => ({ observation, known: found.get(observation) })),
    missing: known.filter((candidate) => !taken.has(candidate)),
  };
}

function rules(configured: readonly ConfiguredService[]): Rule[] {
  const placeholders = new Map(
    configured.flatMap((service) => {
      const match = matchOf(service);
      return match ? [[configuredIdentity(service.name), match] as const] : [];
    }),
  );
  const base: Rule = (observation, known) => toTrace(known.trace).base === observation.base;
  const bareProcess: Rule = (observation, known) =>
    observation.unit === undefined &&
    observation.container === undefined &&
    known.resource.identity.startsWith('process:');
  return [
    (observation, { resource }) => {
      const match = placeholders.get(resource.identity);
      return match !== undefined && fits(match, describe(observation, programOf(observation)));
    },
    // Still the same process.
    (observation, known) =>
      base(observation, known) &&
      processOf(observation) !== undefined &&
      toTrace(known.trace).process === processOf(observation),
    (observation, known) => base(observation, known) && sharesPort(observation, known.resource),
    base,
    (observation, known) =>
      bareProcess(observation, known) && similar(observation, known) && sharesPort(observation, known.resource),
    (observation, known) =>
      bareProcess(observation, known) && known.resource.state === 'present' && similar(observation, known),
  ];
}

/** A tombstone is a candidate only where nothing that lives is. */
function preferLiving(candidates: readonly KnownResource[]): readonly KnownResource[] {
  const living = candidates.filter(({ resource }) => resource.state === 'present');
  return living.length > 0 ? living : candidates;
}

export function processOf({ root }: Pick<Observation, 'root'>): string | undefined {
  return root && `${root.bootId}:${root.pid}:${root.startTicks}`;
}

function similar(observation: Observation, known: KnownResource): boolean {
  const { signature } = toTrace(known.trace);
  return (
    observation.signature !== undefined && signature !== undefined && sameProgram(observation.signature, signature)
  );
}

function sharesPort(observation: Observation, resource: Resource): boolean {
  return observation.endpoints.some((endpoint) =>
    resource.endpoints.some(
      (other) =>
        other.port === endpoint.port &&
        other.protocol === endpoint.protocol &&
        (other.port !== 0 || other.address === endpoint.address),
    ),
  );
}

export function configuredIdentity(name: string): string {
  return `configured:${name}`;
}

export interface Described {
  readonly ports: readonly number[];
  readonly unit: string | undefined;
  readonly container: string | undefined;
  readonly executable: string | undefined;
  readonly product: string | undefined;
}

export function describe(observation: Observation, product?: string): Described {
  return {
    ports: observation.endpoints.map(({ port }) => port),
    unit: observation.unit?.name,
    container: observation.container?.name,
    executable: observation.root?.executable,
    product,
  };
}

function programOf({ root }: Observation): string | undefined {
  const runner = runnerOf(root);
  return runner.kind === 'native' ? runner.rule.product : undefined;
}

const LOCAL = /^(localhost|127\.\d+\.\d+\.\d+|\[?::1\]?|0\.0\.0\.0)$/;

/** Which service of this machine is meant: what `match` says, or else what its first check is about. */
export function matchOf(service: ConfiguredService): ConfiguredService['match'] {
  if (service.match) return service.match;
  for (const check of service.checks) {
    if (check.kind === 'systemd') return { unit: check.unit };
    if (check.kind === 'container') return { container: check.container };
    const address = addressOf(check);
    if (address && LOCAL.test(address.host)) return { port: address.port };
  }
  return undefined;
}

export function isMeant(service: ConfiguredService, seen: Described): boolean {
  const match = matchOf(service);
  return match !== undefined && fits(match, seen);
}

/** Every member that is given must hold. */
export function fits(match: NonNullable<ConfiguredService['match']>, seen: Described): boolean {
  const unit = match.unit === undefined || match.unit.includes('.') ? match.unit : `${match.unit}.service`;
  return (
    (match.port === undefined || seen.ports.includes(match.port)) &&
    (unit === undefined || seen.unit === unit) &&
    (match.container === undefined || seen.container === match.container) &&
    (match.process === undefined ||
      seen.executable === match.process ||
      (seen.executable !== undefined && fileOf(seen.executable) === match.process.toLowerCase())) &&
    (match.product === undefined || seen.product === match.product) &&
    (match.url === undefined || seen.ports.includes(portOf(match.url)))
  );
}

export function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return port ? Number(port) : protocol === 'https:' ? 443 : 80;
}
