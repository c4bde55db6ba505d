import { Miniflare } from 'miniflare';
import { bundled } from './bundle.ts';

const BROKEN = `
import { WorkerEntrypoint } from 'cloudflare:workers';
export class Queue extends WorkerEntrypoint { send() { throw new Error('the queue is away'); } }
export default {};`;

/** Shows what is in the dead queue. */
const DEAD = `
export default {
  async queue({ messages }, { STEWARD_URL }) {
    for (const { body } of messages) await fetch(STEWARD_URL + '/dead', { method: 'POST', body });
  },
};`;

/** The webhook worker in workerd, with the queue of its own wrangler.jsonc; or with one that takes nothing. */
export async function startWebhooksWorker(
  env: Readonly<Record<string, string | object>>,
  { brokenQueue = false }: { readonly brokenQueue?: boolean } = {},
): Promise<Miniflare> {
  const { script, config } = await bundled('webhooks');
  const producers = config.queues?.producers ?? [];
  const [consumer] = config.queues?.consumers ?? [];
  if (!consumer) throw new Error('wrangler.jsonc names no queue');
  const common = { modules: true, compatibilityDate: config.compatibility_date };
  const worker = new Miniflare({
    workers: [
      {
        name: 'webhooks',
        ...common,
        script,
        bindings: { ...config.vars, ...env },
        ...(brokenQueue
          ? {
              serviceBindings: Object.fromEntries(
                producers.map(({ binding }) => [binding, { name: 'broken', entrypoint: 'Queue' }]),
              ),
            }
          : {
              queueProducers: Object.fromEntries(producers.map(({ binding, queue }) => [binding, queue])),
              queueConsumers: {
                [consumer.queue]: {
                  maxBatchSize: consumer.max_batch_size,
                  maxBatchTimeout: consumer.max_batch_timeout,
                  maxRetries: consumer.max_retries,
                  deadLetterQueue: consumer.dead_letter_queue,
                },
              },
            }),
      },
      { name: 'broken', ...common, script: BROKEN },
      { name: 'dead', ...common, script: DEAD, bindings: env, queueConsumers: { [consumer.dead_letter_queue]: {} } },
    ],
  });
  await worker.ready;
  return worker;
}
