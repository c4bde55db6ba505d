import type { PerformanceReport } from '../../core/performance-report.ts';
import type { Deduction } from '../../core/score.ts';

/** So many of a kind are named in a message; all of them are in the document. */
const NAMED = 3;
const GIB = 1024 ** 3;

const SHARES: Partial<Record<PerformanceReport['machine'][number]['measure'], string>> = {
  cpu: 'Cores in use',
  memory: 'Memory in use',
  space: 'Space in use',
  disk: 'Disk busy',
};

export function inWords({ points, reason, fix }: Deduction): string {
  return `-${points} ${reason}${fix === undefined ? '' : ` ${fix}`}`;
}

/** What took points away, and the figures that a person looks at first. */
export function performanceInWords(report: PerformanceReport): string[] {
  const { score, notes, deductions, machine, answers, usage, uptimes } = report;
  const { agentUptimePercent, backupSuccessPercent } = report;
  return [
    ...(score === undefined ? notes : []),
    ...(deductions.length === 0 ? ['Nothing was short, and nothing was slow.'] : deductions.map(inWords)),
    '',
    ...machine.flatMap(({ measure, subject, mean, highest }) => {
      const said = SHARES[measure];
      if (said === undefined) return [];
      return [`${said}${subject === 'machine' ? '' : `, ${subject}`}: ${percent(mean)}, at most ${percent(highest)}`];
    }),
    ...listed(
      'Slowest answers',
      answers.map(
        ({ name, mean, beforeMean }) =>
          `${name} ${mean} s${beforeMean === undefined ? '' : ` (before ${beforeMean} s)`}`,
      ),
    ),
    ...listed(
      'Most cores',
      usage.flatMap(({ name, cores }) => (cores && cores.mean > 0 ? [`${name} ${cores.mean}`] : [])),
    ),
    ...listed(
      'Most memory',
      usage
        .flatMap(({ name, memoryBytes }) => (memoryBytes ? [{ name, bytes: memoryBytes.mean }] : []))
        .toSorted((one, other) => other.bytes - one.bytes)
        .map(({ name, bytes }) => `${name} ${Math.round((10 * bytes) / GIB) / 10} GiB`),
    ),
    ...listed(
      'There least',
      uptimes.filter((each) => each.percent < 100).map(({ service, percent: up }) => `${service} ${up} %`),
    ),
    ...(agentUptimePercent === undefined ? [] : [`Uptime of AI agents: ${agentUptimePercent} %`]),
    ...(backupSuccessPercent === undefined ? [] : [`Copies that succeeded: ${backupSuccessPercent} %`]),
  ];
}

function listed(title: string, all: readonly string[]): string[] {
  return all.length === 0 ? [] : [`${title}: ${all.slice(0, NAMED).join(', ')}`];
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`;
}
