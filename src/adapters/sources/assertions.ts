import type { LayerResult } from '../../core/backup/copy.ts';
import { StewardError } from '../../core/errors.ts';
import type { Assertion } from '../../core/backup/source.ts';

/** How long what somebody asks of a restored copy may take. */
export const ASSERTION_MS = 120_000;

/** Asked one after the other; one that cannot be asked (a wrong word, a table that is missing) is one that is not true. UNAVAILABLE where nobody answers. */
export async function askAssertions(
  assertions: readonly Assertion[],
  ask: (assertion: Assertion) => Promise<unknown>,
  signal: AbortSignal,
): Promise<LayerResult[]> {
  const results: LayerResult[] = [];
  for (const assertion of assertions) {
    const startedAt = performance.now();
    const told = (ok: boolean, statement: string): LayerResult => ({
      layer: 'content',
      ok,
      statement,
      durationMs: performance.now() - startedAt,
      evidence: { assertion: assertion.name, sql: assertion.sql },
    });
    try {
      const answer = await ask(assertion);
      results.push(
        told(isTrue(answer), `${assertion.name}: ${isTrue(answer) ? 'true' : `not true (${shown(answer)})`}.`),
      );
    } catch (thrown) {
      signal.throwIfAborted();
      // Nobody there to ask says nothing of the copy.
      if (StewardError.from(thrown).code === 'UNAVAILABLE') throw thrown;
      results.push(told(false, `${assertion.name}: could not be asked. ${(thrown as Error).message}`));
    }
  }
  return results;
}

function isTrue(answer: unknown): boolean {
  if (typeof answer === 'string')
    return (
      /^(t|true|y|yes|on)$/i.test(answer) ||
      (answer.trim() !== '' && Number(answer) !== 0 && !Number.isNaN(Number(answer)))
    );
  return (
    answer === true || (typeof answer === 'number' && answer !== 0) || (typeof answer === 'bigint' && answer !== 0n)
  );
}

function shown(answer: unknown): string {
  return answer === undefined ? 'no row' : JSON.stringify(answer)?.slice(0, 80);
}
