// `npm run bench [-- --json] [name ...]`: every promise with a figure, each beside its peer in the same run.
// A file prints one JSON line of results; figures are medians. One that fails is a failed row, and the others go on.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { BenchResult } from './result.ts';

/** Far more than any of them takes; one that hangs must not take the figures of the others with it. */
const WITHIN_MS = 20 * 60_000;

type Row = BenchResult | { readonly name: string; readonly failed: string; readonly ok: false };

const json = process.argv.includes('--json');
const wanted = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const all = globSync('*.bench.ts', { cwd: import.meta.dirname })
  .map((file) => basename(file, '.bench.ts'))
  .toSorted();

const rows: Row[] = wanted
  .filter((name) => !all.includes(name))
  .map((name) => ({ name, failed: `there is no such bench; there are ${all.join(', ')}`, ok: false }));
for (const name of all.filter((one) => wanted.length === 0 || wanted.includes(one))) {
  if (!json) console.error(`${name} ...`);
  rows.push(...(await measure(name)));
}
if (json) console.log(JSON.stringify(rows, null, 2));
else console.table(rows.map(shown));
process.exitCode = rows.length > 0 && rows.every(({ ok }) => ok) ? 0 : 1;

function shown(row: Row): Record<string, string | number | boolean> {
  if ('failed' in row)
    return { name: row.name, figure: `failed: ${row.failed}`, value: '', peer: '', ratio: '', goal: '', ok: row.ok };
  const { name, figure, unit, value, peer, ratio, goal, ok } = row;
  return {
    name,
    figure,
    value: `${round(value)} ${unit}`,
    peer: peer ? `${peer.name}: ${round(peer.value)} ${unit}` : '',
    ratio: ratio === undefined ? '' : round(ratio),
    goal,
    ok,
  };
}

function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
}

async function measure(name: string): Promise<Row[]> {
  const { promise: ended, resolve: done } = Promise.withResolvers<string>();
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.bench.ts`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const late = setTimeout(() => child.kill('SIGKILL'), WITHIN_MS);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.on('error', ({ message }) => done(message));
  child.on('close', (code, signal) => done(code === 0 ? '' : `ended with ${code ?? signal}`));
  const failed = await ended;
  clearTimeout(late);
  try {
    if (failed) throw new Error(failed);
    return JSON.parse(output.trim().split('\n').at(-1) ?? '') as BenchResult[];
  } catch (thrown) {
    return [{ name, failed: thrown instanceof Error ? thrown.message : String(thrown), ok: false }];
  }
}
