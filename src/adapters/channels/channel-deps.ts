import type { SecretResolver } from '../../core/secrets.ts';
import type { Outbound } from '../outbound/outbound.ts';

export interface ChannelDeps {
  readonly outbound: Outbound;
  readonly secrets: SecretResolver;
  readonly now: () => Date;
}
