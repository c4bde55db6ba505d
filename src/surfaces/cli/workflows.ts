import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { ERRORS, type ErrorCode } from '../../core/errors.ts';
import type { WorkflowExecution } from '../../core/run-service.ts';
import type { Manifest } from '../manifest.ts';
import { findServer, request, type Server } from './client.ts';
import { addFormat, addServer, type Flags, isJson, leaf } from './command-tree.ts';
import { parseInputs } from './options.ts';
import { type Paint, painter, plain, type Terminal } from './terminal.ts';

const LOOK_EVERY_MS = 400;

type Workflow = NonNullable<Manifest['workflows']>[number];

interface Around {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
  readonly words: readonly string[];
  print(answer: unknown, flags: Flags): void;
  exitWith(code: number): void;
  noServer(): Error;
}

/** Instants are texts here. */
type Reported = Omit<WorkflowExecution, 'startedAt' | 'finishedAt'> & {
  readonly startedAt: string;
  readonly finishedAt?: string;
};

interface Line {
  readonly at: string;
  readonly step: string;
  readonly runId: string;
  readonly level: string;
  readonly message: string;
  readonly fields?: unknown;
}

const dashed = (name: string): string => name.replaceAll('_', '-');

/** Every workflow as a command of its own name, where nothing else is called so, and all of them under `workflow run`. */
export function addWorkflowCommands(program: Command, workflows: readonly Workflow[], around: Around): void {
  for (const workflow of workflows) {
    add(leaf(program, ['workflow', 'run', workflow.name], plain(workflow.summary)), workflow, around);
    for (const name of new Set([workflow.name, ...workflow.aliases].map(dashed))) {
      if (program.commands.some((each) => each.name() === name)) continue;
      add(leaf(program, [name], plain(workflow.summary)), workflow, around);
    }
  }
}

type WorkflowFlags = Flags & {
  readonly dryRun?: boolean;
  readonly verbose?: boolean;
  readonly trace?: boolean;
  readonly context: string[];
};

function add(command: Command, { name }: Workflow, around: Around): void {
  command
    .option('--dry-run', 'Show what each step would change, and change nothing.')
    .option('--verbose', 'Print what its runs write while they write it.')
    .option('--trace', 'Print everything that is known of its runs: phases, changes and checks with their times.')
    .option(
      '--context <name=value|json>',
      'What the steps are told; may be repeated.',
      (text: string, before: string[]) => [...before, text],
      [] as string[],
    );
  addFormat(command);
  addServer(command);
  command.action(async () => {
    const flags = command.opts<WorkflowFlags>();
    const { env, stdout, stderr, print, exitWith } = around;
    const server = await findServer(around.home, {
      url: flags.url ?? env['STEWARD_URL'],
      token: flags.token ?? env['STEWARD_TOKEN'],
    });
    if (!server) throw around.noServer();
    const context = parseInputs(flags.context, { type: 'object', properties: {} });
    const body = { id: name, context, dryRun: flags.dryRun ?? false };
    const { id } = (await request(server, 'POST', '/api/v1/execute-workflow', body)).body as Reported;
    // What happens meanwhile goes beside the answer, so that a script can read that one.
    const told = isJson(flags) && !flags.verbose && !flags.trace ? { write: () => undefined } : stderr;
    const execution = await follow(server, id, flags, told, painter(stderr, env));
    if (isJson(flags)) print(execution, flags);
    else await printExecution(server, execution, stdout, painter(stdout, env));
    exitWith(exitCodeOf(execution));
  });
}

/** To its end, or to where it waits and nobody knows how long. */
async function follow(
  server: Server,
  id: string,
  { verbose = false, trace = false }: WorkflowFlags,
  out: Terminal,
  paint: Paint,
): Promise<Reported> {
  const seen = new Set<string>();
  const once = (key: string, text: string): void => {
    if (seen.has(key)) return;
    seen.add(key);
    out.write(`${text}\n`);
  };
  let after = '0';
  for (;;) {
    const execution = (await request(server, 'GET', `/api/v1/workflow-execution?id=${id}`)).body as Reported;
    for (const step of execution.steps)
      if (step.status !== 'pending' && step.status !== 'skipped')
        once(`${step.id} ${step.status}`, `${paint(step.status.padEnd(9), colorOf(step.status))} ${plain(step.title)}`);
    if (verbose || trace) {
      const query = `id=${id}&after=${after}${trace ? '&trace=true' : ''}`;
      const log = (await request(server, 'GET', `/api/v1/workflow-log?${query}`)).body as {
        items: Line[];
        next: string;
      };
      after = log.next;
      for (const line of log.items)
        once(
          `${line.runId} ${line.at} ${line.message}`,
          `  ${paint(line.at.slice(11, 23), 'gray')} ${line.step} ${line.level} ${plain(line.message)}${fieldsOf(line.fields)}`,
        );
    }
    if (execution.status !== 'running' || execution.steps.some(({ status }) => status === 'waiting-approval'))
      return execution;
    await sleep(LOOK_EVERY_MS);
  }
}

const fieldsOf = (fields: unknown): string => (fields === undefined ? '' : ` ${plain(JSON.stringify(fields))}`);

const colorOf = (status: string): 'red' | 'green' | 'yellow' | 'gray' =>
  status === 'failed' ? 'red' : status === 'succeeded' ? 'green' : status === 'skipped' ? 'gray' : 'yellow';

async function printExecution(server: Server, execution: Reported, out: Terminal, paint: Paint): Promise<void> {
  const { id, workflow, status, dryRun, steps, error } = execution;
  const color = status === 'succeeded' ? 'green' : status === 'running' || status === 'waiting' ? 'yellow' : 'red';
  out.write(`${id}  ${workflow}${dryRun ? ' (plan only)' : ''}  ${paint(status, color)}\n`);
  for (const step of steps) {
    if (step.branch !== undefined && step.status === 'skipped') continue;
    const message = step.message === undefined ? '' : `: ${plain(step.message)}`;
    out.write(`  ${paint(step.status.padEnd(9), colorOf(step.status))} ${plain(step.title)}${message}\n`);
    if (dryRun && step.runId !== undefined && step.planned) {
      const run = (await request(server, 'GET', `/api/v1/run-get?id=${step.runId}`)).body as {
        plan?: { title: string; undo: string }[];
      };
      for (const { title, undo } of run.plan ?? [])
        out.write(`    - ${plain(title)} ${paint(`(undo: ${undo})`, 'gray')}\n`);
    }
    if (step.status === 'waiting-approval' && step.runId !== undefined)
      out.write(`    It waits for a person: steward run show ${step.runId}\n`);
    if (step.question && step.status === 'waiting')
      out.write(
        `    ${plain(step.question.text)} Answer: steward workflow answer ${id} ${step.id} ${step.question.answers.join('|')}\n`,
      );
  }
  if (error && status !== 'succeeded') out.write(`${paint('Error:', 'red')} ${plain(String(error['message']))}\n`);
  if (status === 'failed' || status === 'canceled')
    out.write(`Go on from there once it is mended: steward workflow retry ${id}\n`);
  if (status === 'waiting' && !steps.some((step) => step.question && step.status === 'waiting'))
    out.write(`It goes on by itself: steward workflow execution ${id}\n`);
}

/** What the execution means to a script. */
function exitCodeOf({ status, steps }: Reported): number {
  if (status === 'succeeded') return 0;
  const codes: Partial<Record<Reported['status'], ErrorCode>> = { canceled: 'CANCELED', failed: 'VERIFICATION_FAILED' };
  const code = codes[status];
  if (code) return ERRORS[code].exitCode;
  const asks = steps.some((step) => step.status === 'waiting-approval' || (step.question && step.status === 'waiting'));
  return asks ? ERRORS.POLICY_REFUSED.exitCode : 0;
}
