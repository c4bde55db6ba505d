import { z } from 'zod';
import { ServiceState } from '../../core/check.ts';
import type { ServiceStatus } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';

/** As monitoring says; or that a compose file declares it and nothing of it runs. */
export const SeenState = z.enum([...ServiceState.options, 'declared']);

export function seenState(
  { declared }: Pick<Resource, 'declared'>,
  status: Pick<ServiceStatus, 'state'> | undefined,
): z.output<typeof SeenState> {
  return status?.state ?? (declared?.running === false ? 'declared' : 'pending');
}
