import { z } from 'zod';
import type { AnyAutomation } from '../core/automation.ts';
import { referencesIn, referencesInInput } from '../core/reference.ts';
import { allSteps, sameName, type Workflow, type WorkflowStep } from '../core/workflow.ts';
import type { Path } from './document.ts';
import { type Complaint, complaints } from './explain.ts';
import { nearest } from './nearest.ts';

/** What workflows of the configuration are compared with. */
export interface KnownToWorkflows {
  readonly automations: ReadonlyMap<string, AnyAutomation>;
  /** The names, and other names, of what ships. */
  readonly taken: readonly string[];
}

/** One step and where it is written. */
interface Placed {
  readonly step: WorkflowStep;
  readonly at: Path;
  /** Steps that have ended when its turn comes, so that it may refer to them. */
  readonly before: ReadonlySet<string>;
  /** It belongs to an error branch, so that it is told of the error. */
  readonly branch: boolean;
}

/** The members that the output of a step has; undefined where nobody can know. */
type OutputsOf = (step: string) => readonly string[] | undefined;

/** What is wrong with a workflow beyond its shape: names that do not exist, circles, input that its automation does not take. */
export function inspectWorkflows(workflows: readonly Workflow[], known: KnownToWorkflows, at: Path): Complaint[] {
  return workflows.flatMap((workflow, index) => {
    const here = [...at, index];
    const taken = [...known.taken, ...workflows.slice(0, index).map(({ name }) => name)];
    const clash = [...taken, ...known.automations.keys()].find((name) => sameName(name, workflow.name));
    return [
      ...(clash === undefined
        ? []
        : [{ path: [...here, 'name'], message: `'${clash}' is the name of something else` }]),
      ...sameIds(workflow, here),
      ...placedSteps(workflow, here).flatMap((placed) => inspectStep(placed, known, outputsOf(workflow, known))),
      ...inspectNeeds(workflow, here),
    ];
  });
}

function sameIds(workflow: Workflow, at: Path): Complaint[] {
  const seen = new Set<string>();
  return placedSteps(workflow, at).flatMap(({ step: { id }, at: place }) => {
    if (seen.has(id)) return [{ path: [...place, 'id'], message: `'${id}' is the id of an earlier step` }];
    seen.add(id);
    return [];
  });
}

function placedSteps({ steps, onError = [] }: Workflow, at: Path): Placed[] {
  const main = new Set(steps.map(({ id }) => id));
  const branch = (list: readonly WorkflowStep[], place: Path, before: ReadonlySet<string>): Placed[] =>
    list.map((step, index) => ({
      step,
      at: [...place, index],
      before: new Set([...before, ...list.slice(0, index).map(({ id }) => id)]),
      branch: true,
    }));
  return [
    ...steps.flatMap((step, index) => {
      const place = [...at, 'steps', index];
      const before = endedBefore(steps, step);
      return [
        { step, at: place, before, branch: false },
        ...branch(step.onError ?? [], [...place, 'onError'], new Set([...before, step.id])),
      ];
    }),
    ...branch(onError, [...at, 'onError'], main),
  ];
}

const needsOf = (steps: readonly WorkflowStep[], index: number): readonly string[] =>
  steps[index]?.needs ?? steps.slice(Math.max(0, index - 1), index).map(({ id }) => id);

/** The steps that it needs, and those that they need, and so on. */
function endedBefore(steps: readonly WorkflowStep[], step: WorkflowStep): Set<string> {
  const before = new Set<string>();
  const visit = (index: number): void => {
    for (const id of needsOf(steps, index)) {
      if (before.has(id)) continue;
      before.add(id);
      visit(steps.findIndex((one) => one.id === id));
    }
  };
  visit(steps.indexOf(step));
  return before;
}

function inspectNeeds({ steps, onError = [] }: Workflow, at: Path): Complaint[] {
  const ids = steps.map(({ id }) => id);
  const branches = [
    ...steps.flatMap((step, index) =>
      (step.onError ?? []).map((each, place) => [each, [...at, 'steps', index, 'onError', place]] as const),
    ),
    ...onError.map((each, place) => [each, [...at, 'onError', place]] as const),
  ];
  const circular = steps.find((step) => step.needs && endedBefore(steps, step).has(step.id));
  return [
    ...branches.flatMap(([step, place]) =>
      step.needs
        ? [{ path: [...place, 'needs'], message: 'is not for error branches: their steps come one after the other' }]
        : [],
    ),
    ...steps.flatMap((step, index) => {
      const place = [...at, 'steps', index, 'needs'];
      const unknown = (step.needs ?? []).flatMap((id, position) =>
        ids.includes(id) ? [] : [{ path: [...place, position], message: noStep(id, ids) }],
      );
      return step === circular
        ? [...unknown, { path: place, message: `goes round in a circle: ${step.id} needs itself by way of these` }]
        : unknown;
    }),
  ];
}

function noStep(id: string, ids: readonly string[]): string {
  const meant = nearest(id, ids);
  return `there is no step '${id}'${meant ? `: did you mean ${meant}?` : `: expected one of ${ids.join(', ') || 'none'}`}`;
}

function inspectStep(placed: Placed, known: KnownToWorkflows, outputs: OutputsOf): Complaint[] {
  const { step, at } = placed;
  const conditions = (step.when ?? []).flatMap((condition, index) => [
    { at: ['when', index, 'from'], path: condition.from },
    ...referencesIn([condition.equals, condition.not]).map(({ path }) => ({ at: ['when', index], path })),
  ]);
  // What an event says is compared with where the wait stands; `from` is a member of the event.
  const ofWait = step.wait
    ? referencesIn('event' in step.wait ? (step.wait.where ?? []).map(({ equals, not }) => [equals, not]) : step.wait, [
        'wait',
      ])
    : [];
  const ofInput = step.input && typeof step.input !== 'function' ? referencesInInput(step.input, ['input']) : [];
  const since = step.wait && 'event' in step.wait ? step.wait.since : undefined;
  return [
    ...[...conditions, ...ofWait, ...ofInput].flatMap((reference) => {
      const message = wrongReference(reference.path, placed, outputs);
      return message === undefined ? [] : [{ path: [...at, ...reference.at], message }];
    }),
    ...(since !== undefined && !placed.before.has(since)
      ? [{ path: [...at, 'wait', 'since'], message: noStep(since, [...placed.before]) }]
      : []),
    ...inspectAutomation(
      placed,
      known,
      ofInput.map((reference) => reference.at.slice(1)),
    ),
  ];
}

const ROOTS = ['context', 'steps', 'execution', 'error'];
const OF_A_STEP = ['output', 'status', 'message', 'runId'];

function wrongReference(path: string, { before, branch }: Placed, outputs: OutputsOf): string | undefined {
  const [root = '', id = '', member, given] = path.split('.');
  if (!ROOTS.includes(root)) {
    const meant = nearest(root, ROOTS);
    return `expected a path that begins with ${ROOTS.join(', ')}; found '${root}'${meant ? `: did you mean ${meant}?` : ''}`;
  }
  if (root === 'error' && !branch) return 'only steps of onError are told of an error';
  if (root !== 'steps') return undefined;
  if (!before.has(id)) return `${noStep(id, [...before])} before this one`;
  const gives = member === 'output' && given !== undefined ? outputs(id) : undefined;
  if (gives && !gives.includes(given ?? '')) {
    const meant = nearest(given ?? '', gives);
    return `the step ${id} gives no '${given}': ${meant ? `did you mean ${meant}?` : `expected one of ${gives.join(', ')}`}`;
  }
  if (member === undefined || OF_A_STEP.includes(member)) return undefined;
  return `a step has ${OF_A_STEP.join(', ')}: expected steps.${id}.output.${member}`;
}

const OF_A_WAIT = {
  for: ['until'],
  until: ['until'],
  event: ['event', 'timedOut'],
  person: ['answer', 'by', 'comment', 'timedOut'],
} as const;

function outputsOf(workflow: Workflow, { automations }: KnownToWorkflows): OutputsOf {
  const steps = new Map(allSteps(workflow).map(({ step }) => [step.id, step]));
  return (id) => {
    const step = steps.get(id);
    const kind = (['for', 'until', 'event', 'person'] as const).find((each) => step?.wait && each in step.wait);
    if (kind) return OF_A_WAIT[kind];
    const output: unknown = automations.get(step?.automation ?? '')?.output;
    // On every node it has a member for each of them.
    return output instanceof z.ZodObject && !step?.everyNode ? Object.keys(output.shape) : undefined;
  };
}

/** The input without what its references are looked up for only later. */
function inspectAutomation(
  { step, at }: Placed,
  { automations }: KnownToWorkflows,
  later: readonly Path[],
): Complaint[] {
  if (step.automation === undefined) return [];
  const automation = automations.get(step.automation);
  if (!automation) {
    const names = [...automations.keys()];
    const meant = nearest(step.automation, names);
    const message = `there is no automation '${step.automation}'${meant ? `: did you mean ${meant}?` : '; see steward automations'}`;
    return [{ path: [...at, 'automation'], message }];
  }
  if (step.input === undefined && automation.input.safeParse({}).success) return [];
  const input = (step.input ?? {}) as Record<string, unknown>;
  const place = step.input === undefined ? at : [...at, 'input'];
  const schema: z.ZodType = automation.input;
  const touches = (path: Path): boolean =>
    later.some((one) => one.every((part, index) => index >= path.length || part === path[index]));
  const parsed = schema.safeParse(input);
  const wrong = parsed.success
    ? []
    : complaints(schema, parsed.error, input).filter(({ path, key }) =>
        key !== undefined || path.length === 0 ? later.length === 0 || key !== undefined : !touches(path),
      );
  const inside = wrong.map(({ path, key, message }) => ({
    path: [...place, ...path],
    ...(key !== undefined && { key }),
    message,
  }));
  return [...inside, ...unknownMembers(schema, input, place)];
}

/** Automations leave out what they do not know; in a file it is a slip of the pen. */
function unknownMembers(schema: z.ZodType, input: Record<string, unknown>, at: Path): Complaint[] {
  if (!(schema instanceof z.ZodObject) || schema.def.catchall !== undefined) return [];
  const members = Object.keys(schema.shape);
  return Object.keys(input)
    .filter((key) => !members.includes(key))
    .map((key) => {
      const meant = nearest(key, members);
      return {
        path: at,
        key,
        message: `is not known: ${meant ? `did you mean ${meant}?` : `expected ${members.join(', ')}`}`,
      };
    });
}
