import { randomInt } from 'node:crypto';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { createPrograms } from '../adapters/programs/index.ts';
import { createProcesses } from '../adapters/processes/index.ts';
import type { Environment } from '../config/environment.ts';
import { nearest } from '../config/nearest.ts';
import { StewardError } from '../core/errors.ts';
import { printAnswer } from '../surfaces/cli/print.ts';
import { painter, type Terminal } from '../surfaces/cli/terminal.ts';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults/index.ts';
import { gameDay } from './game-day.ts';
import { abandonedGameDays, removeGameDay } from './leftovers.ts';
import { createProgress } from './progress.ts';
import { comparedText, evidenceOf, type GameDayReport, keepReport, outcomeText, writeReport } from './report.ts';

export interface GameDayCommand {
  readonly environment: Environment;
  readonly options: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  readonly stdout: Terminal;
  readonly stderr: Terminal;
}

/** `steward game-day`: plays, prints, keeps the report. Throws where the rate is below what was asked for, or something outside was touched. */
export async function runGameDay(command: GameDayCommand): Promise<unknown> {
  const { environment, options, json, stdout, stderr } = command;
  const faults = chosen(text(options['only']));
  if (options['list'] === true)
    return faults.map(({ name, title, expect, expected }) => ({ name, injected: title, expect, expected }));
  const atLeast = percent(text(options['atLeast']) ?? '95');
  const seed = options['seed'] === undefined ? randomInt(2 ** 31) : whole('--seed', text(options['seed']) ?? '');
  const file = text(options['report']);
  if (file !== undefined) await writable(dirname(resolve(file)));
  const cleaned = await clean(environment, (line) => void (json || stderr.write(`${line}\n`)));
  if (options['clean'] === true) return { removed: cleaned };

  const interrupted = interruption();
  const progress = createProgress(stderr);
  let report: GameDayReport;
  try {
    report = await gameDay({
      environment,
      faults,
      seed,
      healing: options['healing'] !== false,
      keep: options['keep'] === true,
      progress,
      signal: interrupted.signal,
    });
  } catch (thrown) {
    // What was waiting says only that it was aborted; what could not be removed has more to say.
    if ((thrown as Error).name === 'AbortError') interrupted.signal.throwIfAborted();
    throw thrown;
  } finally {
    progress.done();
    interrupted.stop();
  }
  const kept = await keepReport(environment.home, report);
  if (file !== undefined) await writeReport(file, report);
  if (json) stdout.write(`${JSON.stringify(report)}\n`);
  else print(report, kept, stdout, environment.noColor);
  if (!report.outside.untouched)
    throw new StewardError('VERIFICATION_FAILED', 'Something outside the scratch stack is not as it was before.', {
      hint: `What, and from what to what: ${kept}`,
    });
  if (report.automationRate < atLeast)
    throw new StewardError(
      'VERIFICATION_FAILED',
      `The automation rate is ${report.automationRate} %, below ${atLeast} %.`,
      {
        hint: `Why each fault was missed stands in ${kept}`,
      },
    );
  return undefined;
}

function print(report: GameDayReport, kept: string, out: Terminal, noColor: boolean): void {
  const paint = painter(out, noColor ? { NO_COLOR: '1' } : {});
  const rows = report.faults.map((fault) => ({
    fault: fault.name,
    expected: fault.expectation.replace('-', ' '),
    outcome: outcomeText(fault),
    evidence: evidenceOf(fault),
  }));
  printAnswer(rows, ['fault', 'expected', 'outcome', 'evidence'], out, paint);
  const { outside } = report;
  for (const { kind, what, before, after } of outside.differences)
    out.write(`Changed: ${kind} ${what}: ${before} -> ${after}\n`);
  for (const run of outside.runsElsewhere) out.write(`Aimed elsewhere: ${run}\n`);
  for (const { name, why } of report.leftOut) out.write(`Not injected: ${name}, because ${why}.\n`);
  out.write(
    `\n${report.injected} faults: ${report.healed} healed, ${report.escalated} handed to a person, ${report.leftAlone} rightly left alone, ${report.missed} missed.\n` +
      `Outside the scratch stack ${outside.untouched ? 'nothing was touched' : 'SOMETHING CHANGED'}: compared ${comparedText(report)}; ${outside.runs} runs, ${outside.runsElsewhere.length} of them aimed elsewhere.\n` +
      `${paint(`Automation rate: ${report.automationRate} %`, 'bold')} (seed ${report.seed}). Report: ${kept}\n`,
  );
}

async function clean(environment: Environment, say: (line: string) => void): Promise<string[]> {
  const programs = createPrograms({ environment: environment.inherited });
  const deps = { host: environment.dockerHost, processes: createProcesses({ programs }), programs };
  const removed: string[] = [];
  for (const left of await abandonedGameDays(environment.dockerHost)) {
    say(`Removes what game day ${left.id} left, which was cut off.`);
    removed.push(...(await removeGameDay(left, deps)));
  }
  return removed;
}

function chosen(only: string | undefined): readonly Fault[] {
  if (only === undefined) return FAULTS;
  const names = only.split(',').map((name) => name.trim());
  const known = FAULTS.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    throw new StewardError('INPUT_INVALID', `There is no fault '${name}'.`, {
      hint:
        meant === undefined ? 'See steward game-day --list.' : `Did you mean ${meant}? See steward game-day --list.`,
    });
  }
  return FAULTS.filter(({ name }) => names.includes(name));
}

/** Found out before five minutes are spent on a report that nobody could keep. */
async function writable(folder: string): Promise<void> {
  await access(folder, constants.W_OK).catch((cause: unknown) => {
    throw new StewardError('INPUT_INVALID', `--report: nothing can be written to ${folder}.`, {
      hint: 'Name a file in a folder that exists and is yours.',
      cause,
    });
  });
}

function percent(given: string): number {
  const value = Number(given);
  if (given !== '' && value >= 0 && value <= 100) return value;
  throw new StewardError('INPUT_INVALID', `--at-least ${given}: expected a percentage from 0 to 100.`);
}

function whole(flag: string, given: string): number {
  if (/^\d{1,10}$/.test(given)) return Number(given);
  throw new StewardError('INPUT_INVALID', `${flag} ${given}: expected a whole number.`);
}

/** The first signal asks for an orderly end, which removes everything. */
function interruption(): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const abort = (): void =>
    controller.abort(
      new StewardError('CANCELED', 'The game day was interrupted; what it had made is removed.', {
        hint: 'steward game-day begins a new one.',
      }),
    );
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, abort);
  return {
    signal: controller.signal,
    stop: () => {
      for (const signal of signals) process.off(signal, abort);
    },
  };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
