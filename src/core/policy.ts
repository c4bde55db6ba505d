import { z } from 'zod';
import type { Actor, Trigger } from './actor.ts';
import { Role, Trigger as TriggerSchema } from './actor.ts';

export const Decision = z.enum(['observe', 'propose', 'auto']);
export type Decision = z.output<typeof Decision>;

const oneOrMore = <T extends z.ZodType>(item: T) => z.union([item, z.array(item).min(1)]);

/** One row of the policy table. A member that is left out matches everything. */
export const PolicyRule = z.object({
  id: z.string(),
  automation: oneOrMore(z.string()).optional().describe('Name of the automation.'),
  effect: oneOrMore(z.enum(['read', 'write', 'destructive'])).optional(),
  trigger: oneOrMore(TriggerSchema).optional(),
  role: oneOrMore(Role).optional(),
  /** Only while every change of the plan can be taken back at once. */
  reversible: z.boolean().optional(),
  decision: Decision,
  why: z.string(),
});
export type PolicyRule = z.output<typeof PolicyRule>;

/** The defaults that ship; the first row that matches decides. A configuration's rows stand before them. */
export const DEFAULT_POLICY: readonly PolicyRule[] = [
  { id: 'reading', effect: 'read', decision: 'auto', why: 'Reading changes nothing.' },
  {
    id: 'agents-back-up',
    role: 'agent',
    automation: ['backup', 'verify-backups'],
    decision: 'auto',
    why: 'One more copy, and one more look at copies, take nothing away.',
  },
  { id: 'agents-propose', role: 'agent', decision: 'propose', why: 'What an agent wants changed, a person approves.' },
  {
    id: 'retention',
    automation: 'prune-backups',
    trigger: ['schedule', 'event', 'webhook'],
    decision: 'auto',
    why: 'The configuration says how long copies stay; the last proven one stays whatever it says.',
  },
  {
    id: 'expired-rows',
    automation: 'clear-sessions',
    trigger: ['schedule', 'event', 'webhook'],
    decision: 'auto',
    why: 'The configuration names each table, and the column that says when a row has expired.',
  },
  { id: 'destroying', effect: 'destructive', decision: 'propose', why: 'What destroys waits for a person.' },
  {
    id: 'healing-restarts',
    automation: 'restart-service',
    trigger: 'healing',
    decision: 'auto',
    why: 'A restart under a known supervisor is healed within its budget.',
  },
  {
    id: 'healing-harmless',
    automation: ['resume-process', 'clean-temp-files'],
    trigger: 'healing',
    decision: 'auto',
    why: 'It loses nothing: what was stopped goes on, and what is set aside can be put back.',
  },
  {
    id: 'healing-memory',
    automation: 'relieve-memory',
    trigger: 'healing',
    decision: 'auto',
    why: 'What it gives back is read or taken again when it is needed; nothing ends.',
  },
  {
    id: 'healing-connections',
    automation: 'recycle-connections',
    trigger: 'healing',
    decision: 'auto',
    why: 'A pool opens anew what idled; healing does it unasked only once its record speaks for it.',
  },
  {
    id: 'routine',
    effect: 'write',
    trigger: ['schedule', 'event', 'webhook'],
    reversible: true,
    decision: 'auto',
    why: 'Reversible routine work runs on its schedule.',
  },
  {
    id: 'backups',
    automation: ['backup', 'verify-backups'],
    trigger: ['schedule', 'event', 'webhook'],
    decision: 'auto',
    why: 'Copies are made and proven on their schedule; they take nothing away.',
  },
  {
    id: 'database-fitness',
    automation: 'maintain-database',
    trigger: ['schedule', 'event', 'webhook'],
    decision: 'auto',
    why: 'It loses no row and stops nobody; what locks waits for a window that the configuration names.',
  },
  {
    id: 'caches',
    automation: 'clear-caches',
    trigger: ['schedule', 'event', 'webhook', 'healing'],
    decision: 'auto',
    why: 'What is fetched or built again when it is asked for makes room by itself.',
  },
  {
    id: 'queue',
    automation: 'process-queued-jobs',
    trigger: ['schedule', 'event', 'webhook'],
    decision: 'auto',
    why: 'What was asked for, and allowed, begins; nothing else changes.',
  },
  {
    id: 'configured-calls',
    automation: 'call-http',
    trigger: ['schedule', 'event', 'webhook'],
    decision: 'auto',
    why: 'Whoever gave a workflow an address to call meant it to be called.',
  },
  {
    id: 'people',
    effect: 'write',
    trigger: ['api', 'cli', 'dashboard'],
    role: ['operator', 'admin'],
    decision: 'auto',
    why: 'A person who may operate asked for it.',
  },
  { id: 'otherwise', decision: 'propose', why: 'What no rule allows waits for a person.' },
];

export interface PolicyQuestion {
  readonly automation: string;
  readonly effect: 'read' | 'write' | 'destructive';
  readonly trigger: Trigger;
  readonly actor: Actor;
  /** Unknown before there is a plan. */
  readonly reversible?: boolean | undefined;
}

/** Whatever the configuration says: a rule for everybody was not written with an agent in mind. */
const AGENTS_NEVER_DESTROY: PolicyRule = {
  id: 'agents-never-destroy',
  role: 'agent',
  effect: 'destructive',
  decision: 'propose',
  why: 'What destroys waits for a person, whatever a rule lets an agent do otherwise.',
};

const AGENTS_ONLY_WHERE_MEANT: PolicyRule = {
  id: 'agents-only-where-meant',
  role: 'agent',
  effect: 'write',
  reversible: false,
  decision: 'propose',
  why: 'What cannot be taken back waits for a person, unless the rule that allows it names agents.',
};

/** The first rule that matches. The last default matches everything, so there always is one. */
export function decide(rules: readonly PolicyRule[], question: PolicyQuestion): PolicyRule {
  const matches = <T>(wanted: T | readonly T[] | undefined, actual: T): boolean =>
    wanted === undefined || (Array.isArray(wanted) ? wanted.includes(actual) : wanted === actual);
  const rule = rules.find(
    (candidate) =>
      matches(candidate.automation, question.automation) &&
      matches(candidate.effect, question.effect) &&
      matches(candidate.trigger, question.trigger) &&
      matches(candidate.role, question.actor.role) &&
      (candidate.reversible === undefined || candidate.reversible === question.reversible),
  );
  if (!rule) throw new Error('The policy table has no row that matches everything.');
  const { actor, effect, reversible } = question;
  if (actor.role !== 'agent' || effect === 'read' || rule.decision !== 'auto') return rule;
  if (effect === 'destructive') return AGENTS_NEVER_DESTROY;
  return rule.role === undefined && reversible === false ? AGENTS_ONLY_WHERE_MEANT : rule;
}
