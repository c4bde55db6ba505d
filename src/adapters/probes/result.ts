import type { ProbeResult } from '../../core/check.ts';
import { redactText } from '../../core/redact.ts';

export interface ProbeOptions {
  readonly timeoutMs: number;
  readonly slowMs: number;
  readonly signal: AbortSignal;
}

type Depth = ProbeResult['depth'];
type Detail = ProbeResult['detail'];

const TEXT_LIMIT = 300;

/** An answer that is as it should be: `degraded` where it took longer than it may. */
export function answered(
  depth: Depth,
  message: string,
  startedAt: number,
  { slowMs }: ProbeOptions,
  detail: Detail = {},
): ProbeResult {
  const latencyMs = elapsed(startedAt);
  if (latencyMs > slowMs)
    return {
      state: 'degraded',
      latencyMs,
      message: `slow: ${message} after ${Math.round(latencyMs)} ms`,
      depth,
      detail,
    };
  return { state: 'up', latencyMs, message, depth, detail };
}

export function saw(
  state: ProbeResult['state'],
  depth: Depth,
  message: string,
  startedAt: number,
  detail: Detail = {},
): ProbeResult {
  return { state, latencyMs: elapsed(startedAt), message, depth, detail };
}

/** Text of a peer, fit to be stored and shown: short, printable, without secrets. */
export function peerText(text: string, limit = TEXT_LIMIT): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what has to go
  return redactText(text.slice(0, limit).replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '.'));
}

function elapsed(startedAt: number): number {
  return Math.round((performance.now() - startedAt) * 100) / 100;
}
