import type { CheckTarget } from '../../core/check.ts';
import type { HealthItem } from '../../core/health-report.ts';
import { webTarget, watchedEndpoints } from '../../core/default-checks.ts';
import type { WatchedService } from '../../core/ports/health.ts';
import type { Ports } from '../../core/ports.ts';

const LIMITS = { timeoutMs: 5_000, slowMs: 30_000 };

/** Whether model servers have a model to answer with: one that runs without any is as good as none. */
export async function modelItems(
  services: readonly WatchedService[],
  { prober }: Pick<Ports, 'prober'>,
  signal: AbortSignal,
): Promise<Omit<HealthItem, 'group'>[]> {
  const servers = services.filter(({ resource, state }) => resource.product === 'ollama' && state !== 'stopped');
  return await Promise.all(
    servers.map(async ({ resource }) => {
      const about = { name: `models of ${resource.name}`, critical: resource.critical, resourceId: resource.id };
      const [endpoint] = watchedEndpoints(resource);
      if (!endpoint) return { ...about, state: 'warning' as const, message: 'It is not known where it listens.' };
      const target = {
        kind: 'models' as const,
        url: webTarget('http', endpoint.host, endpoint.port).url,
        api: 'ollama' as const,
        models: [],
        answers: 'none' as const,
        insecure: false,
      } satisfies CheckTarget;
      const { state, message, detail } = await prober.probe(target, { ...LIMITS, signal });
      if (detail.count === 0) return { ...about, state: 'failed' as const, message: 'It runs and has no model.' };
      return state === 'up' || state === 'degraded'
        ? { ...about, state: 'ok' as const, message: message.slice(0, 300) }
        : { ...about, state: 'failed' as const, message: message.slice(0, 300) };
    }),
  );
}
