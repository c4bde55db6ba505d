import { connect } from 'node:net';
import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import { startDeadline } from './deadline.ts';
import type { Lookup } from './names.ts';
import { endingResult, networkFailure } from './network-failure.ts';
import { type ProbeOptions, answered } from './result.ts';

export function probeTcp(
  { host, port }: Extract<CheckTarget, { kind: 'tcp' }>,
  options: ProbeOptions,
  lookup: Lookup,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const socket = connect({ host, port, lookup });
    const finish = (result: ProbeResult): void => {
      clear();
      socket.destroy();
      resolve(result);
    };
    const clear = startDeadline(options.timeoutMs, options.signal, (ending) =>
      finish(endingResult(ending, options.timeoutMs, 'presence', startedAt, 'connection')),
    );
    socket.on('connect', () => finish(answered('connect', 'accepts connections', startedAt, options)));
    socket.on('error', (thrown) => finish(networkFailure(thrown, 'presence', startedAt)));
  });
}
