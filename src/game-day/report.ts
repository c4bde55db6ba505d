import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Played } from './play.ts';
import type { Statement } from './story.ts';
import type { Difference } from './untouched.ts';

export interface FaultReport {
  readonly name: string;
  readonly injected: string;
  readonly services: readonly string[];
  readonly expected: string;
  readonly expectation: string;
  readonly outcome: string;
  readonly seconds: number | null;
  readonly struckAt: string;
  readonly incidents: readonly string[];
  readonly runs: readonly string[];
  readonly checks: readonly Statement[];
  readonly problem: string | null;
  /** What Steward and Docker said meanwhile. */
  readonly timeline: readonly string[];
}

export interface GameDayReport {
  readonly id: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly stewardVersion: string;
  readonly seed: number;
  readonly healing: boolean;
  readonly injected: number;
  /** Not injected, because this machine does not have what they need. */
  readonly leftOut: readonly { readonly name: string; readonly why: string }[];
  readonly healed: number;
  readonly escalated: number;
  readonly leftAlone: number;
  readonly missed: number;
  /** Percent of the injected faults of which Steward made what it should: healed, handed to a person, or left alone. */
  readonly automationRate: number;
  readonly faults: readonly FaultReport[];
  readonly outside: {
    /** Nothing besides the scratch stack is another one than before, and no run aimed at anything else. */
    readonly untouched: boolean;
    readonly compared: Readonly<Record<string, number>>;
    readonly differences: readonly Difference[];
    /** Processes that ended meanwhile, as processes do; none of them was signaled by the game day. */
    readonly processesEnded: readonly string[];
    readonly runs: number;
    readonly runsElsewhere: readonly string[];
    readonly ports: Readonly<Record<string, number>>;
  };
}

export function faultReport({ fault, ...played }: Played): FaultReport {
  return {
    name: fault.name,
    injected: fault.title,
    services: fault.services,
    expected: fault.expected,
    expectation: fault.expect,
    outcome: played.outcome,
    seconds: played.seconds === undefined ? null : Math.round(played.seconds * 10) / 10,
    struckAt: played.struckAt,
    incidents: played.incidents,
    runs: played.runs,
    checks: played.statements,
    problem: played.problem ?? null,
    timeline: played.timeline,
  };
}

/** How many came out as they should, in percent, to one digit; what was not injected does not count. */
export function automationRate(outcomes: readonly string[]): number {
  const right = outcomes.filter((outcome) => outcome !== 'missed').length;
  return outcomes.length === 0 ? 0 : Math.floor((right / outcomes.length) * 1_000) / 10;
}

/** Why, in one line: what it rests on, or what did not hold. */
export function evidenceOf({ outcome, problem, checks, incidents, runs }: FaultReport): string {
  const broken = checks.filter(({ ok }) => !ok).map(({ name, evidence }) => `does not hold: ${name} (${evidence})`);
  if (outcome === 'missed') return [...(problem === null ? [] : [problem]), ...broken].join('; ');
  return [...incidents, ...runs, `${checks.length} checks hold`].join(', ');
}

export function outcomeText({ outcome, seconds }: FaultReport): string {
  const words = outcome === 'missed' ? 'MISSED' : outcome.replace('-', ' ');
  return seconds === null || outcome === 'missed' ? words : `${words} in ${seconds} s`;
}

/** For people who were not there. */
export function markdown(report: GameDayReport): string {
  const { outside } = report;
  const cell = (text: string): string => text.replaceAll('|', String.raw`\|`).replaceAll(/\s+/g, ' ');
  const lines = [
    `# Game day ${report.id}`,
    '',
    `${report.startedAt} to ${report.finishedAt}, Steward ${report.stewardVersion}, seed ${report.seed}${report.healing ? '' : ', healing switched off'}.`,
    '',
    `**Automation rate: ${report.automationRate} %.** ${report.injected} faults: ${report.healed} healed, ${report.escalated} handed to a person, ${report.leftAlone} rightly left alone, ${report.missed} missed.`,
    '',
    `${outside.untouched ? 'Nothing outside the scratch stack was touched.' : '**Something outside the scratch stack is not as it was.**'} Compared before and after: ${comparedText(report)}. ${outside.runs} runs of the isolated Steward, ${outside.runsElsewhere.length} of them aimed elsewhere.`,
    '',
    ...report.leftOut.map(({ name, why }) => `Not injected: ${name}, because ${why}.\n`),
    ...outside.differences.map(({ kind, what, before, after }) => `- ${kind} ${what}: ${before} → ${after}`),
    '| fault | injected | expected | outcome | evidence |',
    '| --- | --- | --- | --- | --- |',
    ...report.faults.map(
      (fault) =>
        `| ${fault.name} | ${cell(fault.injected)} | ${fault.expectation.replace('-', ' ')}: ${cell(fault.expected)} | ${outcomeText(fault)} | ${cell(evidenceOf(fault))} |`,
    ),
    '',
    ...report.faults.flatMap((fault) => [
      `## ${fault.name}`,
      '',
      `${fault.injected} Expected: ${fault.expected}. Outcome: ${outcomeText(fault)}.`,
      '',
      ...fault.checks.map(({ name, ok, evidence }) => `- ${ok ? 'holds' : 'DOES NOT HOLD'}: ${name} (${evidence})`),
      '',
    ]),
  ];
  return `${lines.join('\n')}\n`;
}

export function comparedText({ outside }: GameDayReport): string {
  return Object.entries(outside.compared)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
}

const FOLDER = 'game-days';

/** Keeps a report in the home of the Steward whose user asked for it, in JSON and for people. Gives the file for people. */
export async function keepReport(home: string, report: GameDayReport): Promise<string> {
  const folder = join(home, FOLDER);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return await writeReport(join(folder, `${report.startedAt.replaceAll(/[:.]/g, '-')}-${report.id}.json`), report);
}

/** Writes the report as JSON, and beside it as Markdown; gives the path of the latter. */
export async function writeReport(file: string, report: GameDayReport): Promise<string> {
  const base = file.replace(/\.(json|md)$/, '');
  await writeFile(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`);
  await writeFile(`${base}.md`, markdown(report));
  return `${base}.md`;
}

/** The game days of this home, the latest first. */
export async function history(home: string): Promise<
  (Pick<GameDayReport, 'startedAt' | 'id' | 'injected' | 'automationRate' | 'missed'> & {
    untouched: boolean;
    missedFaults: string;
  })[]
> {
  const folder = join(home, FOLDER);
  const files = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
  const reports = await Promise.all(
    files.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as GameDayReport),
  );
  return reports
    .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt))
    .map(({ startedAt, id, injected, automationRate, missed, outside, faults }) => ({
      startedAt,
      id,
      injected,
      automationRate,
      missed,
      missedFaults: faults.flatMap(({ name, outcome }) => (outcome === 'missed' ? [name] : [])).join(' ') || '-',
      untouched: outside.untouched,
    }));
}
