import { z } from 'zod';
import { type Check, Problem } from './check.ts';
import { Duration } from './duration.ts';
import type { Json, JsonObject } from './json.ts';
import { type Resource, ResourceKind, Supervisor } from './resource.ts';

const SUPERVISORS = Supervisor.options.map(({ shape }) => shape.kind.value) as [
  Resource['supervisor']['kind'],
  ...Resource['supervisor']['kind'][],
];

/** What the configuration says of restarting a service; auto where it says nothing. */
const RESTART = ['auto', 'process', 'never'] as const;

/** What has to be true of the resource before a runbook is thought of. What is left out does not matter. */
export const RunbookNeeds = z.strictObject({
  kind: z.array(ResourceKind).min(1).optional().describe('What it is: service, node, database.'),
  product: z.array(z.string().min(1)).min(1).optional().describe('Its product: postgresql, redis.'),
  supervisor: z.array(z.enum(SUPERVISORS)).min(1).optional().describe('Who keeps it running.'),
  restart: z.array(z.enum(RESTART)).min(1).optional().describe('What the configuration says of restarting it.'),
  labels: z.record(z.string(), z.string()).default({}).describe('Labels that it has.'),
  check: z.array(z.string().min(1)).min(1).optional().describe('It has a check of one of these kinds.'),
  credentials: z.boolean().default(false).describe('That check names where its password is.'),
});

/** The head of a runbook's file: what can be decided without a person. */
export const RunbookHead = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, 'expected a name such as restart-supervised')
    .describe('Permanent: what it is measured by. The file is called so.'),
  title: z.string().min(10).max(120).describe('What it does, in one line.'),
  heals: z
    .array(z.enum(['service.down', ...Problem.options]))
    .min(1)
    .describe('The troubles that it helps against.'),
  order: z.number().int().min(0).max(1_000).default(500).describe('Of two that fit, the lower one is tried first.'),
  needs: RunbookNeeds.prefault({}).describe('What has to be true of the resource.'),
  automation: z.string().min(1).describe('The automation that it starts; it alone changes anything.'),
  input: z
    .record(z.string(), z.json())
    .default({})
    .describe(
      'Its input. {resource.id}, {check.path} and {seen.mount} stand for what the trouble is about: the resource, what its check asks, what that saw. {seen.grownService} is the service whose memory grew most.',
    ),
  disruptive: z.boolean().default(true).describe('Somebody may notice it: it counts against the limits of healing.'),
  autonomy: z
    .enum(['earned', 'trusted'])
    .default('earned')
    .describe('earned: asks a person until its record speaks for it. trusted: acts from the first day.'),
  tries: z.number().int().min(1).max(2).default(2).describe('Failures after which it is not tried on this any more.'),
  cooldown: Duration.default('0s').describe('Between two attempts on one resource.'),
  never: z.array(z.string().min(1)).min(1).describe('What it never touches.'),
  success: z.string().min(10).describe('How it is judged.'),
});
export type RunbookHead = z.output<typeof RunbookHead>;

/** Which trouble one automation helps against, and what a person has to know of it. Read from a file that people review. */
export interface Runbook extends RunbookHead {
  /** What stands below the head: step by step, for people. */
  readonly text: string;
  /** shipped, or the file that somebody added. */
  readonly source: string;
}

/** Set by the configuration: process, never; auto where it is missing. */
export function restartLabel({ labels }: Pick<Resource, 'labels'>): (typeof RESTART)[number] {
  const label = labels['steward.restart'];
  return label === 'process' || label === 'never' ? label : 'auto';
}

/** Why the runbook does not fit, in words; undefined where it does. */
export function misfit(
  { needs, heals }: Pick<Runbook, 'needs' | 'heals'>,
  symptom: string,
  resource: Resource,
  checks: readonly Check[],
): string | undefined {
  const { kind, product, supervisor, restart, labels, check, credentials } = needs;
  const among = (what: string, allowed: readonly string[] | undefined, actual: string): string | undefined =>
    allowed === undefined || allowed.includes(actual)
      ? undefined
      : `${what} is ${actual}, and it needs ${allowed.join(' or ')}`;
  if (!heals.some((each) => each === symptom)) return `it is not for ${symptom}`;
  if (resource.adoption !== 'adopted') return 'nobody adopted it';
  const wrong =
    among('its kind', kind, resource.kind) ??
    among('its product', product, resource.product) ??
    among('its supervisor', supervisor, resource.supervisor.kind) ??
    among('restart', restart, restartLabel(resource));
  if (wrong !== undefined) return wrong;
  for (const [name, value] of Object.entries(labels))
    if (resource.labels[name] !== value) return `its label ${name} is not ${value}`;
  if (check === undefined) return undefined;
  const fitting = checks.filter(({ target }) => check.includes(target.kind));
  if (fitting.length === 0) return `it has no check of the kind ${check.join(' or ')}`;
  if (credentials && !fitting.some(({ target }) => 'password' in target && target.password !== undefined))
    return `its ${check.join(' or ')} check names no password, without which nothing can be done in it`;
  return undefined;
}

const PLACE = /\{(resource|check|seen)\.([A-Za-z]+)\}/g;

/** The input with what the trouble is about in the places for it, or the place that nothing is known for. */
export function fillInput(
  input: JsonObject,
  {
    resource,
    check,
    seen,
  }: {
    readonly resource: Resource;
    readonly check: Check | undefined;
    readonly seen: Readonly<Record<string, unknown>> | undefined;
  },
): { readonly input: JsonObject } | { readonly missing: string } {
  let missing: string | undefined;
  const sources: Readonly<Record<string, Readonly<Record<string, unknown>> | undefined>> = {
    resource: { id: resource.id, name: resource.name, product: resource.product, node: resource.node },
    check: check?.target,
    seen,
  };
  const fill = (value: Json): Json => {
    if (typeof value === 'string') {
      return value.replaceAll(PLACE, (place, of: string, member: string) => {
        const found = sources[of]?.[member];
        if (typeof found === 'string' || typeof found === 'number') return String(found);
        missing ??= place;
        return '';
      });
    }
    if (Array.isArray(value)) return value.map(fill);
    if (value !== null && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, fill(inner as Json)]));
    return value;
  };
  const filled = fill(input) as JsonObject;
  return missing === undefined ? { input: filled } : { missing };
}

/** Whether a text of an input has a place to fill. */
export function hasPlaces(value: Json): boolean {
  return JSON.stringify(value).search(PLACE) >= 0;
}
