import type { HealthFindings } from '../../core/health-report.ts';

const MARKS = { ok: 'OK  ', warning: 'WARN', failed: 'FAIL', skipped: 'SKIP' } as const;

/** A report as lines for a log file. */
export function healthLines({
  at,
  node,
  score,
  critical,
  failed,
  warnings,
  items,
  deductions,
}: HealthFindings): string {
  const time = at.toISOString();
  const lines = [
    `health of ${node}: score ${score}${critical ? ', CRITICAL' : ''}, ${failed} failed, ${warnings} warnings`,
    ...items.map(({ state, group, name, message }) => `${MARKS[state]} ${group}: ${name}: ${message}`),
    ...deductions.map(({ points, reason }) => `-${points} ${reason}`),
  ];
  return `${lines.map((line) => `${time} ${oneLine(line)}`).join('\n')}\n`;
}

function oneLine(text: string): string {
  return text.replace(/\p{C}+/gu, ' ');
}
