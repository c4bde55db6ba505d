import { chmod, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { writeTextfile } from '../../adapters/textfile/index.ts';
import { aResource, fakeInventory } from '../../testing/fakes/fake-inventory.ts';
import { startProgram } from '../../testing/world/start-program.ts';
import { metricTextfile } from './textfile.ts';

const NOW = new Date('2026-03-31T10:00:00Z');
const folder = await mkdtemp(join(tmpdir(), 'steward-textfile-'));
await chmod(folder, 0o755);
afterAll(() => rm(folder, { recursive: true }));

const inventory = fakeInventory();
for (const [id, name, labels] of [
  ['svc_1', 'writer "one"', { 'steward.agent': 'true' }],
  ['svc_2', 'postgresql', {}],
] as const)
  inventory.put(aResource({ id, name, node: 'nod_1', labels }));

function jobFor(path: string) {
  return metricTextfile({
    settings: () => ({ path, prefix: 'sutazai' }),
    write: writeTextfile,
    inventory,
    monitor: {
      report: async () => ({ score: 87 }),
      uptimes: async () =>
        new Map([
          ['svc_1', 99.5],
          ['svc_2', 100],
        ]),
    },
    node: { id: 'nod_1', name: 'n1' },
  });
}
const call = { now: NOW, signal: new AbortController().signal };

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

it('is shown by a real node_exporter, and only its own file lies there', async () => {
  const path = join(folder, 'steward.prom');
  await jobFor(path).run(call);
  await jobFor(path).run(call);
  expect(await readdir(folder)).toEqual(['steward.prom']);

  const port = await freePort();
  await using _exporter = await startProgram({
    program: 'prometheus-node-exporter',
    args: [
      '--collector.disable-defaults',
      '--collector.textfile',
      `--collector.textfile.directory=${folder}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    ready: { port },
  });
  const shown = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(shown.split('\n').filter((line) => line.startsWith('sutazai_'))).toEqual([
    String.raw`sutazai_agent_uptime{agent="writer \"one\"",node="n1"} 99.5`,
    'sutazai_health_score{node="n1"} 87',
  ]);
  expect(shown).toContain('node_textfile_scrape_error 0');
});

it('says which file could not be written, and leaves what was there', async () => {
  await expect(jobFor(join(folder, 'missing', 'steward.prom')).run(call)).rejects.toThrow(
    /missing\/steward\.prom cannot be written: ENOENT/,
  );
  expect(await readFile(join(folder, 'steward.prom'), 'utf8')).toContain('sutazai_health_score');
});
