import { StewardError } from '../core/errors.ts';
import type { Severity } from '../core/incident.ts';
import type { Log } from '../core/log.ts';
import type { Trouble } from './trouble.ts';

/** Why a system does not serve as configured; a warning where nobody who asks notices yet. */
export interface Problem {
  readonly message: string;
  readonly severity: Severity;
  readonly hint?: string | undefined;
}

/** Is told all there are now. */
export type SayProblems = (problems: readonly Problem[]) => void;

export function problemOf(thrown: unknown): Problem {
  const { message, hint } = StewardError.from(thrown);
  return { message, severity: 'critical', hint };
}

/** Nothing where there is none. */
export function wordsOfProblems(problems: readonly Problem[]): string | undefined {
  return problems.length > 0 ? problems.map(({ message }) => message).join(' ') : undefined;
}

/** What is wrong stands in the log once, and in an incident until it is over. */
export function createProblems({
  system,
  trouble,
  log,
}: {
  /** Whose they are: gateway. */
  readonly system: string;
  readonly trouble: Trouble;
  readonly log: Log;
}): SayProblems {
  let known: readonly string[] = [];
  return (problems) => {
    for (const { message, hint } of problems)
      if (!known.includes(message))
        log.error('a system does not serve as configured', { system, reason: message, ...(hint && { hint }) });
    known = problems.map(({ message }) => message);
    const isCritical = problems.some(({ severity }) => severity === 'critical');
    void trouble.tell(wordsOfProblems(problems), isCritical ? 'critical' : 'warning');
  };
}
