import type { Readable } from 'node:stream';
import { Miniflare } from 'miniflare';
import { bundled } from './bundle.ts';

/** The gateway worker in workerd, as wrangler would upload it, with its counters. */
export async function startGatewayWorker(
  env: Readonly<Record<string, string | object>>,
  { counters = true } = {},
): Promise<Miniflare> {
  const { script, config } = await bundled('gateway');
  const objects = counters ? (config.durable_objects?.bindings ?? []) : [];
  const worker = new Miniflare({
    name: 'gateway',
    modules: true,
    script,
    // So that a test sees what an object keeps.
    unsafeInspectDurableObjects: true,
    // So that it notices who leaves: what stands before it otherwise tells it nothing.
    unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
    compatibilityDate: config.compatibility_date,
    bindings: { ...config.vars, ...env },
    // A line for each refusal: the tests look at the answers.
    handleRuntimeStdio(stdout: Readable, stderr: Readable) {
      stdout.resume();
      stderr.resume();
    },
    durableObjects: Object.fromEntries(
      objects.map((each) => [each.name, { className: each.class_name, useSQLite: true }]),
    ),
  });
  await worker.ready;
  return worker;
}
