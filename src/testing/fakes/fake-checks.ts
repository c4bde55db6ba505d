import type { Check, CheckTiming } from '../../core/check.ts';
import { type ConfiguredCheck, checksOf } from '../../core/default-checks.ts';
import { describeTarget } from '../../core/describe-target.ts';
import type { ChecksPort } from '../../core/ports/checks.ts';

export interface FakeChecks extends ChecksPort {
  /** What the configuration asks of a resource from here on. */
  configure(resourceId: string, checks: readonly ConfiguredCheck[]): void;
}

const TIMING: CheckTiming = { every: '60s', timeout: '5s', failures: 3, successes: 1, slow: '30s' };

/** What monitoring would ask at its default settings. */
export function fakeChecks(): FakeChecks {
  const configured = new Map<string, readonly ConfiguredCheck[]>();
  return {
    configure: (resourceId, checks) => void configured.set(resourceId, checks),
    async of(resource) {
      const settings = { timing: TIMING, checksFor: () => configured.get(resource.id) ?? [] };
      return checksOf(resource, settings).map((check): Check => ({
        ...check,
        id: `${resource.id} ${describeTarget(check.target)}`,
      }));
    },
  };
}
