import type { Findings, LayerResult } from '../../core/backup/copy.ts';
import { StewardError } from '../../core/errors.ts';
import type { Assertion } from '../../core/backup/source.ts';

/**
 * Asked one after the other. One that has no answer because of what is there (a table that is missing, a page that is torn:
 * `isOfData`) is one that is not true; one that has none for another reason (a wrong word, too little time) says nothing of the
 * copy, and the others have their turn. UNAVAILABLE where nobody answers.
 */
export async function askAssertions(
  assertions: readonly Assertion[],
  ask: (assertion: Assertion) => Promise<unknown>,
  { isOfData, signal }: { readonly isOfData: (thrown: StewardError) => boolean; readonly signal: AbortSignal },
): Promise<Findings> {
  const layers: LayerResult[] = [];
  const unasked: string[] = [];
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
      layers.push(
        told(isTrue(answer), `${assertion.name}: ${isTrue(answer) ? 'true' : `not true (${shown(answer)})`}.`),
      );
    } catch (thrown) {
      signal.throwIfAborted();
      const error = StewardError.from(thrown);
      // Nobody there to ask says nothing of the copy.
      if (error.code === 'UNAVAILABLE') throw thrown;
      const what = `${assertion.name}: could not be asked. ${error.message}`;
      if (isOfData(error)) layers.push(told(false, what));
      else unasked.push(what);
    }
  }
  return { layers, ...(unasked.length > 0 && { obstacle: `content: ${unasked.join('; ')}` }) };
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
