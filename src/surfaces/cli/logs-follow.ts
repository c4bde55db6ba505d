import type { Command } from 'commander';
import { StewardError } from '../../core/errors.ts';
import { LOG_LEVELS } from '../../core/log-levels.ts';
import { addFormat, addServer, type Flags, isJson, leaf } from './command-tree.ts';
import type { CliOptions } from './cli-options.ts';
import { liveMessages } from './live-stream.ts';
import { serverFor } from './reach.ts';
import { inert, painter, plain, PREFIX_COLORS, type Paint } from './terminal.ts';
import { clock, colorOfLevel, tellChange } from './watch.ts';

const WIDEST = 24;
const LEVELS: readonly string[] = LOG_LEVELS;

/** `steward logs follow [service...]`: lines as they are written, merged, each under the name and in the color of its component. */
export function addLogsFollow(program: Command, around: CliOptions): void {
  const command = leaf(
    program,
    ['logs', 'follow'],
    'Shows what services, Steward and its runs write, while they write it.',
  );
  command
    .argument(
      '[service...]',
      'By name or id; steward is its own log, runs is what runs say. By default everything on that node.',
    )
    .option('--since <time>', 'Also what was written before: 10m, 2h, or an instant.')
    .option('--grep <text>', 'Only lines that contain this, in any case.')
    .option('--level <level>', `No less severe than this: ${LOG_LEVELS.join(', ')}.`);
  addFormat(command);
  addServer(command);
  command.action(async () => {
    const flags = command.optsWithGlobals<Flags & { since?: string; grep?: string; level?: string }>();
    const [services = []] = command.processedArgs as [string[]?];
    const query = {
      events: ['false'],
      topic:
        services.length === 0
          ? ['logs:*', 'run:*']
          : services.map((name) => (name === 'runs' ? 'run:*' : `logs:${name}`)),
      ...(flags.since !== undefined && { since: [await sinceOf(flags.since)] }),
    };
    const wanted = wantedLine(flags);
    const { stdout, stderr, env } = around;
    const paint = painter(stdout, env);
    const prefix = prefixes(paint);
    const server = await serverFor(flags, around);
    if (!isJson(flags))
      stderr.write(
        `Following ${services.length === 0 ? 'everything on this node' : services.map(plain).join(', ')}; Ctrl-C ends it.\n`,
      );
    for await (const { name, data } of liveMessages(server, { query, onChange: tellChange(around) })) {
      if (name === 'dropped')
        stderr.write(`${String(data['lines'])} lines of ${plain(String(data['topic']))} came too fast to be shown.\n`);
      if (name !== 'line' || !wanted(data)) continue;
      if (isJson(flags)) stdout.write(`${JSON.stringify(data)}\n`);
      else
        stdout.write(
          `${clock(data['at'], paint)} ${prefix(String(data['component']))} ${paint(inert(String(data['text'])), colorOfLevel(data['level']))}\n`,
        );
    }
  });
}

function wantedLine({
  grep,
  level,
}: {
  readonly grep?: string;
  readonly level?: string;
}): (line: Record<string, unknown>) => boolean {
  const least = level === undefined ? 0 : LEVELS.indexOf(level);
  if (least < 0)
    throw new StewardError('INPUT_INVALID', `--level ${level}: expected ${LOG_LEVELS.join(', ')}.`, {
      hint: 'Use --level error.',
    });
  const sought = grep?.toLowerCase();
  return (line) =>
    LEVELS.indexOf(String(line['level'])) >= least &&
    (sought === undefined || String(line['text']).toLowerCase().includes(sought));
}

/** Instants for the server, which may live by another clock: a length of time counts from now here. */
async function sinceOf(text: string): Promise<string> {
  const { parseDuration } = await import('../../core/duration.ts');
  const length = parseDuration(text);
  const at = length === undefined ? new Date(text) : new Date(Date.now() - length);
  if (!Number.isNaN(at.getTime())) return at.toISOString();
  throw new StewardError('INPUT_INVALID', `--since ${text}: expected a length of time or an instant.`, {
    hint: 'Use --since 10m.',
  });
}

/** Each component keeps its color; the column is as wide as the widest name so far. */
function prefixes(paint: Paint): (component: string) => string {
  const colors = new Map<string, (typeof PREFIX_COLORS)[number]>();
  let width = 8;
  return (component) => {
    const name = plain(component).slice(0, WIDEST);
    width = Math.max(width, name.length);
    const color = colors.get(name) ?? PREFIX_COLORS[colors.size % PREFIX_COLORS.length] ?? PREFIX_COLORS[0];
    colors.set(name, color);
    return `${paint(name.padEnd(width), color)} ${paint('|', 'gray')}`;
  };
}
