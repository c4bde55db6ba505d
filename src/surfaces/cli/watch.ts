import type { Command } from 'commander';
import { isFinal } from '../../core/run-states.ts';
import { request, type Server } from './client.ts';
import { addFormat, addServer, type Flags, isJson, leaf } from './command-tree.ts';
import type { CliOptions } from './cli-options.ts';
import { liveMessages } from './live-stream.ts';
import { serverFor } from './reach.ts';
import { exitCodeOf, happenedIn, printRun, type ReportedRun } from './runs.ts';
import { colorOf, inert, painter, plain, type Paint } from './terminal.ts';

interface Around extends CliOptions {
  exitWith(code: number): void;
}

export interface EventData {
  readonly type: string;
  readonly at: string;
  readonly subject?: { readonly kind: string; readonly id: string };
  readonly data: Readonly<Record<string, unknown>>;
}

/** `steward runs watch [run]`: one run to its end, or all that happens to runs until Ctrl-C. */
export function addRunsWatch(program: Command, around: Around): void {
  const command = leaf(
    program,
    ['runs', 'watch'],
    'Shows what runs do while they do it; one run to its end, by which it exits.',
  );
  command.argument('[run]', 'Of this run only; it ends with the run, and exits by how that ended.');
  addFormat(command);
  addServer(command);
  command.action(async () => {
    const flags = command.optsWithGlobals<Flags>();
    const server = await serverFor(flags, around);
    const [run] = command.processedArgs as (string | undefined)[];
    if (run === undefined) return await watchAll(server, isJson(flags), around);
    around.exitWith(await watchOne(server, run, isJson(flags), around));
  });
}

async function watchAll(server: Server, json: boolean, around: Around): Promise<void> {
  const { stdout, stderr, env } = around;
  const paint = painter(stdout, env);
  const query = { types: ['run.*', 'workflow.*'], topic: ['run:*'] };
  if (!json) stderr.write('Watching all runs; Ctrl-C ends it.\n');
  for await (const { name, data } of liveMessages(server, { query, onChange: tellChange(around) })) {
    if (json) stdout.write(`${JSON.stringify({ kind: kindOf(name), ...data })}\n`);
    else if (name === 'message') stdout.write(`${eventLine(data as unknown as EventData, paint)}\n`);
    else if (name === 'line')
      stdout.write(
        `${clock(data['at'], paint)} ${paint(plain(String(data['component'])), 'bold')}  ${inert(String(data['text']))}\n`,
      );
    else if (name === 'gap') stderr.write('Some of what happened meanwhile is not kept any more.\n');
  }
}

async function watchOne(server: Server, id: string, json: boolean, around: Around): Promise<number> {
  const { stdout, stderr, env } = around;
  const paint = painter(stdout, env);
  const told = new Set<string>();
  const path = `/api/v1/runs/${encodeURIComponent(id)}`;
  const tell = (key: string, text: string, data: object): void => {
    if (told.has(key)) return;
    told.add(key);
    stdout.write(json ? `${JSON.stringify(data)}\n` : `${text}\n`);
  };
  const tellLine = ({ at, level, text }: Record<string, unknown>): void =>
    tell(`line ${String(at)} ${String(text)}`, `    ${paint(inert(String(text)), colorOfLevel(level))}`, {
      kind: 'line',
      at,
      level,
      text,
    });

  const look = async (): Promise<ReportedRun> => {
    const run = (await request(server, 'GET', path)).body as ReportedRun;
    for (const { key, text, at } of happenedIn(run, paint)) tell(key, text, { kind: 'step', at, step: key });
    if (run.status === 'waiting-approval')
      tell(`waits ${run.planHash}`, `  It waits for a person: steward run approve ${run.id} ${run.planHash ?? ''}`, {
        kind: 'step',
        step: 'waiting-approval',
        planHash: run.planHash,
      });
    return run;
  };
  const finish = async (run: ReportedRun): Promise<number> => {
    const { items } = (await request(server, 'GET', `${path}/logs?limit=2000`)).body as {
      items: Record<string, unknown>[];
    };
    for (const { message, ...line } of items) tellLine({ ...line, text: message });
    if (json) stdout.write(`${JSON.stringify({ kind: 'run', run })}\n`);
    else printRun(run, stdout, paint);
    return exitCodeOf(run);
  };

  const first = await look();
  if (isFinal(first.status)) return await finish(first);
  const ended = new AbortController();
  // From the beginning: what it said before somebody watched belongs to it.
  const query = { run: [id], topic: [`run:${id}`], since: [String(first.createdAt)] };
  const onChange = tellChange(around);
  for await (const { name, data } of liveMessages(server, { query, onChange, signal: ended.signal })) {
    if (name === 'line') tellLine(data);
    if (name !== 'message' && name !== 'subscribed' && name !== 'gap') continue;
    const run = await look().catch(() => undefined);
    if (!run || !isFinal(run.status)) continue;
    const code = await finish(run);
    ended.abort();
    return code;
  }
  stderr.write('The stream ended before the run did.\n');
  return 1;
}

export function tellChange({ stderr }: Pick<CliOptions, 'stderr'>): (state: 'lost' | 'back', reason: string) => void {
  return (state, reason) =>
    void stderr.write(state === 'lost' ? `Connection lost: ${plain(reason)} Trying again…\n` : 'Connected again.\n');
}

function eventLine({ type, at, subject, data }: EventData, paint: Paint): string {
  const what = type.slice(type.indexOf('.') + 1);
  const name = String(data['automation'] ?? data['workflow'] ?? '');
  const more = [
    data['title'],
    data['status'] === what ? undefined : data['status'],
    (data['error'] as { message?: unknown } | undefined)?.message,
  ]
    .filter((each) => typeof each === 'string')
    .map((each) => plain(each));
  const word = typeof data['status'] === 'string' ? data['status'] : what;
  const color = colorOf(word) ?? colorOf(what);
  return [
    clock(at, paint),
    paint(plain(name), 'bold'),
    paint(plain(subject?.id ?? ''), 'gray'),
    color ? paint(what, color) : what,
    ...more,
  ]
    .filter((part) => part !== '')
    .join('  ');
}

export function clock(at: unknown, paint: Paint): string {
  const date = new Date(String(at));
  return paint(Number.isNaN(date.getTime()) ? '--:--:--' : date.toTimeString().slice(0, 8), 'gray');
}

export function colorOfLevel(level: unknown): 'red' | 'yellow' | 'gray' | 'plain' {
  return level === 'error'
    ? 'red'
    : level === 'warning' || level === 'warn'
      ? 'yellow'
      : level === 'debug'
        ? 'gray'
        : 'plain';
}

function kindOf(name: string): string {
  return name === 'message' ? 'event' : name;
}
