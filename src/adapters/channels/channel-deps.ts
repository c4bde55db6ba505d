import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { Outbound } from '../outbound/outbound.ts';

export interface ChannelDeps {
  readonly outbound: Outbound;
  readonly secrets: SecretResolver;
  readonly programs: Pick<ProgramsPort, 'run'>;
  readonly now: () => Date;
}
