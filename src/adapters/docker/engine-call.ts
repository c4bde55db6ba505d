import { StewardError } from '../../core/errors.ts';

const AWAY = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ECONNRESET',
  'EPIPE',
  'EHOSTUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
  'ENETUNREACH',
  'EAI_AGAIN',
]);

/** Runs one call to the Docker engine within `timeoutMs`, and says in Steward's words what went wrong. */
export async function engineCall<T>(
  what: string,
  address: string,
  timeoutMs: number,
  call: (signal: AbortSignal) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const deadline = AbortSignal.timeout(timeoutMs);
  const signal = outer ? AbortSignal.any([deadline, outer]) : deadline;
  try {
    // The client library closes the connection on abort, but not every call of it then settles.
    return await Promise.race([call(signal), aborted(signal)]);
  } catch (error) {
    if (outer?.aborted) throw new StewardError('CANCELED', `Docker: ${what} was canceled.`, { cause: error });
    if (deadline.aborted) {
      throw new StewardError('TIMEOUT', `Docker did not answer within ${timeoutMs} ms: ${what}.`, {
        hint: 'Look at the engine itself: docker info.',
        cause: error,
      });
    }
    throw translate(what, address, error);
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}

/** Whether the engine answered that there is no such container. */
export function isMissing(error: unknown): boolean {
  return error instanceof StewardError && error.code === 'NOT_FOUND';
}

function translate(what: string, address: string, error: unknown): StewardError {
  if (error instanceof StewardError) return error;
  const { code, statusCode, message } = error as { code?: string; statusCode?: number; message?: string };
  if (code === 'EACCES' || code === 'EPERM') {
    return new StewardError('UNAVAILABLE', `Docker at ${address} does not let this user in.`, {
      hint: 'Add the user that runs Steward to the group docker, or run Steward as root.',
      cause: error,
      retryable: false,
    });
  }
  if (code !== undefined && AWAY.has(code)) {
    return new StewardError('UNAVAILABLE', `No Docker engine answers at ${address} (${code}).`, {
      hint: 'Start it (systemctl start docker), or point DOCKER_HOST to it.',
      cause: error,
    });
  }
  const text = `Docker: ${what} failed: ${message ?? String(error)}`;
  if (statusCode === 404)
    return new StewardError('NOT_FOUND', text, { hint: 'List what there is: docker ps --all.', cause: error });
  if (statusCode === 409) return new StewardError('CONFLICT', text, { cause: error });
  return new StewardError('PROGRAM_FAILED', text, {
    hint: 'Look at the log of the Docker engine.',
    cause: error,
    retryable: statusCode !== undefined && statusCode >= 500,
  });
}
