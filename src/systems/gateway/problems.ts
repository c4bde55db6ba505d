import { StewardError } from '../../core/errors.ts';
import type { Severity } from '../../core/incident.ts';
import type { Log } from '../../core/log.ts';
import type { Trouble } from '../trouble.ts';

export const NOT_AS_CONFIGURED = 'gateway.not-as-configured';

/** Why the gateway does not serve as configured; a warning where nobody who asks notices yet. */
export interface Problem {
  readonly message: string;
  readonly severity: Severity;
  readonly hint?: string;
}

export interface Problems {
  /** All there are now. */
  say(problems: readonly Problem[]): void;
  readonly now: string | undefined;
}

export function problemOf(thrown: unknown): Problem {
  const { message, hint } = StewardError.from(thrown);
  return { message, severity: 'critical', ...(hint !== undefined && { hint }) };
}

/** What is wrong stands in the log once, in the status, and in an incident until it is over. */
export function createProblems(trouble: Trouble, log: Log): Problems {
  let known: readonly string[] = [];
  return {
    say(problems) {
      for (const { message, hint } of problems)
        if (!known.includes(message))
          log.error('the gateway does not serve as configured', { reason: message, ...(hint && { hint }) });
      known = problems.map(({ message }) => message);
      const isCritical = problems.some(({ severity }) => severity === 'critical');
      void trouble.tell(known.length > 0 ? known.join(' ') : undefined, isCritical ? 'critical' : 'warning');
    },
    get now() {
      return known.length > 0 ? known.join(' ') : undefined;
    },
  };
}
