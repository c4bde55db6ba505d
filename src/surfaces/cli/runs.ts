import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorCode, ERRORS, StewardError } from '../../core/errors.ts';
import type { Run } from '../../core/run.ts';
import { isFinal } from '../../core/run-states.ts';
import type { Request, Server } from './client.ts';
import { printMembers } from './print.ts';
import { plain, type Paint, type Terminal } from './terminal.ts';

const LOOK_EVERY_MS = 300;
const LOOKS_IN_SILENCE = 10;

/** The run as the server tells of it: instants are texts. */
export type ReportedRun = Pick<
  Run,
  | 'id'
  | 'automation'
  | 'status'
  | 'dryRun'
  | 'plan'
  | 'planHash'
  | 'phases'
  | 'changes'
  | 'checks'
  | 'progress'
  | 'error'
  | 'output'
  | 'effect'
  | 'impact'
  | 'expiresAt'
  | 'relation'
  | 'facts'
  | 'trigger'
  | 'actor'
  | 'reason'
  | 'target'
  | 'input'
  | 'decisionRule'
  | 'approval'
  | 'createdAt'
  | 'startedAt'
  | 'finishedAt'
>;

/** The steps of a run so far, in their order; each has a key by which it is told once. */
export function happenedIn(run: ReportedRun, paint: Paint): { at: string; key: string; text: string }[] {
  const steps = [
    ...run.phases.map(({ phase, startedAt }) => ({
      at: String(startedAt),
      key: `phase ${phase} ${String(startedAt)}`,
      text: paint(phase, 'gray'),
    })),
    ...run.changes
      .filter(({ status }) => status !== 'planned')
      .map(({ id, title, status, startedAt, finishedAt }) => ({
        at: String(finishedAt ?? startedAt),
        key: `change ${id} ${status}`,
        text: `  ${plain(title)}: ${status}`,
      })),
  ];
  return steps.toSorted((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
}

/** Follows a run to its end, or to where it waits for a person, and tells what happens. */
export async function followRun(
  server: Server,
  location: string,
  request: Request,
  out: Terminal,
  paint: Paint,
): Promise<ReportedRun> {
  const told = new Set<string>();
  let looks = 0;
  const tell = (key: string, text: string): void => {
    if (told.has(key)) return;
    told.add(key);
    out.write(`${text}\n`);
  };
  for (;;) {
    const run = (await request(server, 'GET', location)).body as ReportedRun;
    for (const { key, text } of happenedIn(run, paint)) tell(key, text);
    if (run.status === 'queued' && (looks += 1) > LOOKS_IN_SILENCE)
      tell('queued', 'It waits to begin: for a lock, a place, or a node that takes work (steward nodes).');
    if (run.progress?.message) tell(`progress ${run.progress.message}`, `  ${plain(run.progress.message)}`);
    if (isFinal(run.status) || run.status === 'waiting-approval') return run;
    await sleep(LOOK_EVERY_MS);
  }
}

/** What came of it, for people. */
export function printRun(run: ReportedRun, out: Terminal, paint: Paint): void {
  printHeading(run, out, paint);
  if (run.plan && (run.dryRun || run.status === 'waiting-approval')) printPlan(run, run.plan, out, paint);
  printChecks(run, out, paint);
  printNext(run, out);
}

/** What is about to be approved. */
export function printForApproval(run: ReportedRun, out: Terminal, paint: Paint): void {
  printHeading(run, out, paint);
  printPlan(run, run.plan ?? [], out, paint);
}

/** What helps a person to judge a run; the whole record is in the JSON. */
export function printWholeRun(run: ReportedRun, out: Terminal, paint: Paint): void {
  const line = (title: string, text: string | undefined): void => {
    if (text !== undefined && text !== '') out.write(`  ${paint(`${title}:`, 'gray')} ${plain(text)}\n`);
  };
  const { actor, trigger, approval, decisionRule, error, input, output, changes } = run;
  printHeading(run, out, paint);
  line('asked by', `${actor.name}, by ${trigger}${decisionRule === undefined ? '' : `; policy: ${decisionRule}`}`);
  line('why', run.reason);
  line('target', run.target && `${run.target.name}${run.target.critical ? ' (critical)' : ''}`);
  line(
    'when',
    [run.createdAt, run.finishedAt]
      .filter((at) => at !== undefined)
      .map(moment)
      .join(' to '),
  );
  if (approval)
    line('approved', `by ${approval.by}, ${moment(approval.at)}${approval.method ? `, by ${approval.method}` : ''}`);
  printThing('input', input, out, paint);
  if (changes.some(({ status }) => status !== 'planned')) {
    const counted = [...Map.groupBy(changes, ({ status }) => status)].map(
      ([status, each]) => `${each.length} ${status}`,
    );
    if (changes.length > 5) line('changes', counted.join(', '));
    for (const { title, status, undo } of changes)
      out.write(`  - ${plain(title)}: ${status} ${paint(`(undo: ${undo})`, 'gray')}\n`);
    if (run.relation) printRelation(run.relation, run.facts, out, paint);
  } else if (run.plan) printPlan(run, run.plan, out, paint);
  printChecks(run, out, paint);
  printThing('output', output, out, paint);
  if (error) {
    out.write(`${paint('Error:', 'red')} ${plain(error.message)}\n`);
    if (error.hint !== undefined) out.write(`${plain(error.hint)}\n`);
  }
  printNext(run, out);
}

function printHeading(run: ReportedRun, out: Terminal, paint: Paint): void {
  const bad = run.error !== undefined || ['failed', 'rolled-back', 'rollback-failed'].includes(run.status);
  out.write(
    `${run.id}  ${run.automation}${run.dryRun ? ' (plan only)' : ''}  ${paint(run.status, bad ? 'red' : run.status === 'succeeded' ? 'green' : 'yellow')}\n`,
  );
}

function printPlan(run: ReportedRun, plan: NonNullable<Run['plan']>, out: Terminal, paint: Paint): void {
  if (plan.length === 0) out.write('  Nothing would be changed.\n');
  for (const { title, undo, reason, detail } of plan) {
    out.write(`  - ${plain(title)} ${paint(`(undo: ${undo})`, 'gray')}\n`);
    if (typeof reason === 'string') out.write(`    ${paint(plain(reason), 'gray')}\n`);
    for (const line of detail?.split('\n') ?? []) out.write(`      ${/^ */.exec(line)?.[0]}${plain(line)}\n`);
  }
  if (run.dryRun || !isFinal(run.status)) printImpact(run, out, paint);
  else printRelation(run.relation, run.facts, out, paint);
}

function printChecks({ checks }: ReportedRun, out: Terminal, paint: Paint): void {
  for (const { name, ok, evidence } of checks) {
    out.write(`  ${ok ? paint('ok', 'green') : paint('not ok', 'red')}  ${plain(name)}\n`);
    if (!ok) printThing('seen', evidence, out, paint, '      ');
  }
}

/** What one can do about it from here. */
function printNext({ id, status, planHash }: ReportedRun, out: Terminal): void {
  if (status === 'waiting-approval') out.write(`It waits for a person: steward run approve ${id} ${planHash ?? ''}\n`);
  else if (!isFinal(status)) out.write(`It goes on: steward run show ${id}\n`);
}

function printThing(title: string, thing: unknown, out: Terminal, paint: Paint, indent = '  '): void {
  if (thing === null || typeof thing !== 'object' || Array.isArray(thing) || Object.keys(thing).length === 0) return;
  out.write(`${indent}${paint(`${title}:`, 'gray')}\n`);
  printMembers(thing as Record<string, unknown>, `${indent}  `, out, paint);
}

/** Instants are texts here. */
const moment = (at: unknown): string =>
  String(at)
    .replace('T', ' ')
    .replace(/(\.\d+)?Z$/, '');

const KINDS: Record<NonNullable<Run['relation']>['kind'], string> = {
  undoes: 'Takes back',
  continues: 'Goes on with',
  repeats: 'Repeats',
  replans: 'Planned in the place of',
};

function printRelation(relation: ReportedRun['relation'], facts: unknown, out: Terminal, paint: Paint): void {
  if (!relation) return;
  out.write(`  ${KINDS[relation.kind]} run ${relation.runId}.\n`);
  const { stays = [] } = ((relation.kind === 'undoes' ? facts : undefined) ?? {}) as { stays?: string[] };
  if (stays.length > 0) out.write(`  ${paint('Stays as it is:', 'yellow')} ${stays.map(plain).join('; ')}\n`);
}

/** What a person should see of a plan beside its changes. */
function printImpact(
  { relation, facts, plan, effect, impact, expiresAt }: ReportedRun,
  out: Terminal,
  paint: Paint,
): void {
  const line = (text: string): void => void out.write(`  ${text}\n`);
  printRelation(relation, facts, out, paint);
  if (effect === 'destructive' && (plan?.length ?? 0) > 0) line(paint('It destroys something.', 'red'));
  if (!impact) return;
  const { undo, blastRadius, recoveryPoint } = impact;
  if (undo.approval + undo.none > 0)
    line(`Taken back at once: ${undo.automatic}; by a person: ${undo.approval}; not at all: ${undo.none}`);
  if (blastRadius.length > 0)
    line(
      `May stop with it: ${blastRadius.map(({ name, critical }) => `${plain(name)}${critical ? ' (critical)' : ''}`).join(', ')}`,
    );
  if (recoveryPoint !== undefined)
    line(`Recovery point: ${recoveryPoint === null ? 'none known' : plain(recoveryPoint)}`);
  if (expiresAt) line(`Expires: ${moment(expiresAt)}`);
}

/** What the run means to a script. */
export function exitCodeOf(run: ReportedRun): number {
  if (run.status === 'succeeded' || (run.dryRun && run.error === undefined && run.status !== 'canceled')) return 0;
  if (run.error) return ERRORS[run.error.code].exitCode;
  const codes: Partial<Record<Run['status'], ErrorCode>> = {
    'waiting-approval': 'POLICY_REFUSED',
    rejected: 'POLICY_REFUSED',
    expired: 'POLICY_REFUSED',
    stale: 'PLAN_STALE',
    canceled: 'CANCELED',
    'rollback-failed': 'ROLLBACK_FAILED',
  };
  return ERRORS[codes[run.status] ?? 'VERIFICATION_FAILED'].exitCode;
}

export function failureOf(run: ReportedRun): StewardError | undefined {
  return (
    run.error &&
    new StewardError(run.error.code, run.error.message, { hint: run.error.hint, problems: run.error.problems })
  );
}
