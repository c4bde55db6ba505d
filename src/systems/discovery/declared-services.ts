import type { ComposeProject, Declarations } from '../../core/declared.ts';
import type { KnownResource, ResourceChange } from '../../core/inventory-writer.ts';
import type { Declared, Resource } from '../../core/resource.ts';
import { identify } from './identify.ts';
import { fromTrace, type Trace } from './trace.ts';

/** A service of a compose file, by the identity that its container has or would have. */
export interface DeclaredService {
  readonly base: string;
  readonly name: string;
  readonly product: string;
  readonly confidence: number;
  readonly declared: Omit<Declared, 'running'>;
}

export function composeBase(project: string, service: string): string {
  return `compose:${project}/${service}/1`;
}

export function declaredServices({ projects }: Pick<Declarations, 'projects'>): Map<string, DeclaredService> {
  return new Map(
    projects.flatMap((project) =>
      project.services.map((service) => {
        const base = composeBase(project.name, service.name);
        return [base, { base, ...about(project, service) }] as const;
      }),
    ),
  );
}

function about(
  { name: project }: ComposeProject,
  service: ComposeProject['services'][number],
): Omit<DeclaredService, 'base'> {
  const { product, confidence } = identify({
    process: undefined,
    app: undefined,
    unit: undefined,
    container: service.image === undefined ? undefined : { image: service.image, name: service.name },
    recognitions: [],
    programVersion: undefined,
  });
  const { file, line } = service.place;
  return {
    name: `${project}/${service.name}`,
    product,
    confidence,
    declared: { file, line, profiles: [...service.profiles] },
  };
}

/** It is declared and nothing of it exists: no container, so no process, no port, nobody who would restart it. */
export function asDeclaredOnly(
  service: DeclaredService,
  before: KnownResource | undefined,
  given: { readonly node: string; readonly now: Date; readonly id: string; readonly name: string },
): KnownResource {
  const old = before?.resource;
  const resource: Resource = {
    id: given.id,
    kind: 'service',
    identity: old?.identity ?? service.base,
    node: given.node,
    name: given.name,
    product: service.product,
    confidence: service.confidence,
    evidence: [
      { source: 'configuration', detail: `${service.declared.file}:${service.declared.line} declares it`, weight: 0.9 },
    ],
    endpoints: [],
    pids: [],
    supervisor: { kind: 'none' },
    labels: {},
    critical: false,
    adoption: old?.adoption ?? 'adopted',
    origin: 'discovered',
    declared: { ...service.declared, running: false },
    state: 'present',
    firstSeen: old?.firstSeen ?? given.now,
    lastSeen: given.now,
  };
  const trace: Trace = {
    base: service.base,
    signature: undefined,
    process: undefined,
    looks: {},
    app: undefined,
    programVersion: undefined,
    automaticName: true,
    ignored: false,
  };
  return { resource, trace: fromTrace(trace), missedScans: 0, missingSince: undefined };
}

/** What of it changed, for those who look at the list: whether it runs, and where it is written. */
export function declaredChange(
  before: KnownResource,
  after: KnownResource,
  changed: readonly string[],
): ResourceChange {
  if (before.resource.state === 'gone') return { kind: 'returned', known: after, changed: [] };
  return changed.length > 0 ? { kind: 'changed', known: after, changed } : { kind: 'seen', known: after, changed: [] };
}
