import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';

interface Consumer {
  readonly queue: string;
  readonly max_batch_size: number;
  readonly max_batch_timeout: number;
  readonly max_retries: number;
  readonly dead_letter_queue: string;
}

/** What is read of a wrangler.jsonc; wrangler itself has looked at all of it. */
interface WorkerConfig {
  readonly compatibility_date: string;
  readonly vars: Readonly<Record<string, string | number | object>>;
  readonly triggers?: { readonly crons: readonly string[] };
  readonly kv_namespaces?: readonly { readonly binding: string }[];
  readonly queues?: {
    readonly producers: readonly { readonly binding: string; readonly queue: string }[];
    readonly consumers: readonly Consumer[];
  };
  readonly durable_objects?: {
    readonly bindings: readonly { readonly name: string; readonly class_name: string }[];
  };
}

const WRANGLER = resolve(import.meta.dirname, '../../node_modules/wrangler/bin/wrangler.js');

/** A worker as `wrangler deploy` would upload it, and its configuration. A configuration that Cloudflare would not take is refused. */
export async function bundled(name: string): Promise<{ readonly script: string; readonly config: WorkerConfig }> {
  const folder = resolve(import.meta.dirname, '../workers', name);
  const out = await mkdtemp(join(tmpdir(), 'steward-worker-'));
  try {
    await promisify(execFile)(process.execPath, [WRANGLER, 'deploy', '--dry-run', '--strict', '--outdir', out], {
      cwd: folder,
      // It asks nobody, tells nobody, and leaves nothing in the home of whoever runs the tests.
      env: {
        PATH: process.env['PATH'],
        HOME: out,
        CI: '1',
        WRANGLER_SEND_METRICS: 'false',
        WRANGLER_HIDE_BANNER: 'true',
      },
    });
    const path = join(folder, 'wrangler.jsonc');
    const { config, error } = ts.parseConfigFileTextToJson(path, await readFile(path, 'utf8')) as {
      config: WorkerConfig;
      error?: ts.Diagnostic;
    };
    if (error) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'));
    return { script: await readFile(join(out, 'index.js'), 'utf8'), config };
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}
