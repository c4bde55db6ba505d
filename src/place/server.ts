import type { PlaceReport, ReportAnswer } from '../../edge/handlers/probe/messages.ts';
import { StewardError } from '../core/errors.ts';

const ANSWER_WITHIN_MS = 15_000;

/** The Steward that a place works for; all that is said goes out from here. */
export interface ServerOfPlace {
  join(invitation: string, tokenHash: string): Promise<void>;
  /** UNAUTHENTICATED where it knows this place no more, INPUT_INVALID where it will never take this. */
  report(token: string, report: PlaceReport): Promise<ReportAnswer>;
}

export function serverAt(address: string): ServerOfPlace {
  const base = URL.parse(address);
  if (!base || !/^https?:$/.test(base.protocol))
    throw new StewardError('INPUT_INVALID', `'${address}' is no address of a Steward.`, {
      hint: 'Expected something like https://steward.example.org.',
    });
  const root = base.href.replace(/\/+$/, '');

  async function post(path: string, body: unknown, token?: string): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(`${root}/api/v1/places/${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
      });
      if (response.ok) return await response.json();
    } catch (cause) {
      const reason = (cause as { cause?: { code?: string } }).cause?.code ?? (cause as Error).message;
      throw new StewardError('UNAVAILABLE', `Nothing answers at ${root} (${reason}).`, { cause, retryable: true });
    }
    const said = (await response.json().catch(() => undefined)) as
      | { error?: { message?: string; hint?: string } }
      | undefined;
    const { message = `${root} answered ${response.status}.`, hint } = said?.error ?? {};
    throw new StewardError(CODES[response.status] ?? 'UNAVAILABLE', message, { hint });
  }

  return {
    join: async (invitation, tokenHash) => void (await post('join', { invitation, tokenHash })),
    report: async (token, report) => (await post('report', report, token)) as ReportAnswer,
  };
}

const CODES: Readonly<Record<number, 'UNAUTHENTICATED' | 'FORBIDDEN' | 'INPUT_INVALID'>> = {
  400: 'INPUT_INVALID',
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  422: 'INPUT_INVALID',
};
