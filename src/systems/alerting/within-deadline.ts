import type { Alert, Channel } from '../../core/alert.ts';
import { StewardError } from '../../core/errors.ts';

/** Delivers once. A channel that does not listen to its signal is not waited for. */
export async function deliverWithin(
  usualMs: number,
  channel: Channel,
  alert: Alert,
  stop?: AbortSignal,
): Promise<{ readonly receipt: string }> {
  const { deadlineMs = usualMs } = channel;
  const deadline = new AbortController();
  const signal = stop ? AbortSignal.any([stop, deadline.signal]) : deadline.signal;
  const ended = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => ended.reject(signal.reason), { once: true });
  if (signal.aborted) ended.reject(signal.reason);
  const timer = setTimeout(() => {
    deadline.abort(
      new StewardError('TIMEOUT', `Channel ${channel.name} did not take the alert within ${deadlineMs} ms.`, {
        hint: 'See whether its receiver is up and reachable from this machine.',
      }),
    );
  }, deadlineMs);
  const delivering = channel.deliver(alert, signal);
  // Whichever of the two is later may fail unheard.
  delivering.catch(() => undefined);
  ended.promise.catch(() => undefined);
  try {
    return await Promise.race([delivering, ended.promise]);
  } finally {
    clearTimeout(timer);
  }
}
