import { StewardError } from '../../core/errors.ts';
import type { Facility } from './format.ts';

export interface Destination {
  /** As people know it. */
  readonly address: string;
  readonly host: string;
  /** Where the connection goes. */
  readonly resolved: string;
  readonly port: number;
  readonly facility: Facility;
  readonly signal: AbortSignal;
}

const HINT = 'It is tried again; see that the syslog server is up and reachable from this machine.';

export function translate(thrown: unknown, { address }: Pick<Destination, 'address'>): StewardError {
  if (thrown instanceof StewardError) return thrown;
  const { name, message, code } = thrown as Error & { readonly code?: unknown };
  if (name === 'TimeoutError')
    return new StewardError('TIMEOUT', `The syslog server ${address} did not take the messages in time.`, {
      hint: HINT,
      cause: thrown,
    });
  if (name === 'AbortError')
    return new StewardError('CANCELED', `Sending to ${address} was interrupted.`, { retryable: true, cause: thrown });
  return new StewardError(
    'UNAVAILABLE',
    `The syslog server ${address} cannot be reached: ${typeof code === 'string' ? code : message}.`,
    { hint: HINT, cause: thrown },
  );
}
