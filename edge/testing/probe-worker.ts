import { Miniflare } from 'miniflare';
import { bundled } from './bundle.ts';

export interface ProbeWorker {
  /** What the cron of its wrangler.jsonc does; rejects where the round itself fails. */
  round(): Promise<void>;
  /** The keys that it keeps at the moment. */
  kept(): Promise<string[]>;
  dispose(): Promise<void>;
}

// Their own types come with a package of Cloudflare's that nothing here needs.
interface Scheduled {
  scheduled(event: { readonly cron: string }): Promise<{ readonly outcome: string }>;
}
interface Listed {
  list(): Promise<{ readonly keys: readonly { readonly name: string }[] }>;
}

/** The probe worker in workerd, with the triggers and the store of its own wrangler.jsonc. */
export async function startProbeWorker(env: Readonly<Record<string, string>>): Promise<ProbeWorker> {
  const { script, config } = await bundled('probe');
  const [cron] = config.triggers?.crons ?? [];
  const [store] = config.kv_namespaces ?? [];
  if (cron !== '*/5 * * * *' || !store) throw new Error('wrangler.jsonc names no cron of five minutes, or no store');
  const worker = new Miniflare({
    modules: true,
    script,
    compatibilityDate: config.compatibility_date,
    bindings: { ...config.vars, ...env },
    kvNamespaces: [store.binding],
  });
  await worker.ready;
  return {
    async round() {
      const { outcome } = await ((await worker.getWorker()) as unknown as Scheduled).scheduled({ cron });
      if (outcome !== 'ok') throw new Error(`the round ended as ${outcome}`);
    },
    async kept() {
      const { keys } = await ((await worker.getKVNamespace(store.binding)) as unknown as Listed).list();
      return keys.map(({ name }) => name);
    },
    dispose: () => worker.dispose(),
  };
}
