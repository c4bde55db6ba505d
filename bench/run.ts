// `npm run bench [-- --json] [name ...]`: every promise with a figure, each beside its peer in the same run.
// A file prints one JSON line of results; figures are medians.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { BenchResult } from './result.ts';

const json = process.argv.includes('--json');
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const files = globSync('*.bench.ts', { cwd: import.meta.dirname })
  .map((file) => basename(file, '.bench.ts'))
  .filter((name) => wanted.length === 0 || wanted.includes(name))
  .toSorted();

const results: BenchResult[] = [];
for (const name of files) {
  if (!json) console.error(`${name} ...`);
  results.push(...(await measure(name)));
}
if (json) console.log(JSON.stringify(results, null, 2));
else
  console.table(
    results.map(({ name, figure, unit, value, peer, ratio, goal, ok }) => ({
      name,
      figure,
      value: `${round(value)} ${unit}`,
      peer: peer ? `${peer.name}: ${round(peer.value)} ${unit}` : '',
      ratio: ratio === undefined ? '' : round(ratio),
      goal,
      ok,
    })),
  );
process.exitCode = results.length > 0 && results.every(({ ok }) => ok) ? 0 : 1;

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
}

async function measure(name: string): Promise<BenchResult[]> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.bench.ts`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.on('error', reject);
  child.on('close', (code) =>
    code === 0 ? resolve(output) : reject(new Error(`bench ${name} ended with ${code}\n${output}`)),
  );
  const last = (await promise).trim().split('\n').at(-1) ?? '[]';
  return JSON.parse(last) as BenchResult[];
}
