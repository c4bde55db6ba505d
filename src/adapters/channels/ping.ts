import { StewardError } from '../../core/errors.ts';
import type { ChannelDeps } from './channel-deps.ts';
import { addressOf, type SecretAddress } from './secret-address.ts';

export interface PingSettings {
  readonly url: SecretAddress;
  readonly allowPrivate: boolean;
}

/** A sign of life: one GET that must be answered with success. */
export function createPing({
  outbound,
  secrets,
}: Pick<ChannelDeps, 'outbound' | 'secrets'>): (settings: PingSettings, signal: AbortSignal) => Promise<void> {
  return async ({ url, allowPrivate }, signal) => {
    const address = await addressOf(url, 'deadMan', secrets);
    const { status } = await outbound.request({
      url: address,
      allowPrivate,
      signal,
      maxRedirects: 3,
      maxResponseBytes: 4_096,
    });
    if (status >= 400)
      throw new StewardError('UNAVAILABLE', `The receiver of the sign of life answered HTTP ${status}.`, {
        hint: 'Correct deadMan.url in steward.yaml.',
      });
  };
}
