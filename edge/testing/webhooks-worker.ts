import { Miniflare } from 'miniflare';
import { bundled } from './bundle.ts';

const BROKEN = `
import { WorkerEntrypoint } from 'cloudflare:workers';
export class Queue extends WorkerEntrypoint { send() { throw new Error('the queue is away'); } }
export default {};`;

/** The webhook worker in workerd, with the queue of its own wrangler.jsonc; or with one that takes nothing. */
export async function startWebhooksWorker(
  env: Readonly<Record<string, string | object>>,
  { brokenQueue = false }: { readonly brokenQueue?: boolean } = {},
): Promise<Miniflare> {
  const { script, config } = await bundled('webhooks');
  const [producer] = config.queues?.producers ?? [];
  const [consumer] = config.queues?.consumers ?? [];
  if (!producer || !consumer) throw new Error('wrangler.jsonc names no queue');
  const common = { modules: true, compatibilityDate: config.compatibility_date };
  const worker = new Miniflare({
    workers: [
      {
        name: 'webhooks',
        ...common,
        script,
        bindings: { ...config.vars, ...env },
        ...(brokenQueue
          ? { serviceBindings: { [producer.binding]: { name: 'broken', entrypoint: 'Queue' } } }
          : {
              queueProducers: { [producer.binding]: producer.queue },
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
    ],
  });
  await worker.ready;
  return worker;
}
