import type { LayerResult, ProofLayer } from '../../core/backup/copy.ts';
import { StewardError } from '../../core/errors.ts';

/**
 * Looks at one layer of a proof. That the copy is wrong is a result; that it could not be looked at (no space, canceled,
 * nobody answers) is thrown, since it says nothing of the copy.
 */
export async function lookAtLayer(
  layer: ProofLayer,
  look: () => Promise<Pick<LayerResult, 'ok' | 'statement' | 'unsure' | 'evidence'>>,
): Promise<LayerResult> {
  const startedAt = performance.now();
  const result = await look().catch((thrown: unknown) => {
    const { code, message } = StewardError.from(thrown);
    if (code !== 'VERIFICATION_FAILED') throw thrown;
    return { ok: false, statement: message };
  });
  return { layer, ...result, durationMs: performance.now() - startedAt };
}
