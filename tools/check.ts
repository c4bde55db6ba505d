// `npm run check`: everything that can be said about the tree without running it, each with its time.
import { spawn } from 'node:child_process';

interface Step {
  readonly name: string;
  readonly command: readonly string[];
  /** Says what is wrong with an output that exits 0 all the same. */
  readonly inspect?: (output: string) => string | undefined;
}

const STEPS: readonly Step[] = [
  { name: 'format', command: ['oxfmt', '--check', '.'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'types of the dashboard', command: ['npm', 'run', '-s', 'types', '-w', 'web'] },
  { name: 'types at the edge', command: ['npm', 'run', '-s', 'types', '-w', 'edge'] },
  {
    name: 'layers',
    command: ['depcruise', '--config', '.dependency-cruiser.cjs', 'src', 'edge'],
    inspect: (output) => {
      const modules = Number(/\((\d+) modules/.exec(output)?.[1] ?? 0);
      return modules > 50 ? undefined : `dependency-cruiser saw ${modules} modules: it did not read the tree`;
    },
  },
  { name: 'dead code', command: ['knip'] },
  { name: 'house rules', command: ['node', 'tools/lint/run.ts'] },
  { name: 'generated', command: ['node', 'tools/generate.ts', '--check'] },
];

const results = await inTwos(STEPS);
const failed = results.filter(({ problem }) => problem !== undefined);
for (const { step, seconds, problem } of results)
  console.log(`${problem === undefined ? 'ok  ' : 'FAIL'} ${step.name} (${seconds.toFixed(1)} s)`);
for (const { step, problem } of failed) console.error(`\n--- ${step.name}: ${step.command.join(' ')}\n${problem}`);
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;

interface Result {
  readonly step: Step;
  readonly seconds: number;
  readonly problem: string | undefined;
}

/** Two at a time: the machines have two cores, and each step fills one. */
async function inTwos(steps: readonly Step[]): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = [...steps];
  const worker = async (): Promise<void> => {
    for (let step = waiting.shift(); step; step = waiting.shift()) results.push(await perform(step));
  };
  await Promise.all([worker(), worker()]);
  return results.sort((a, b) => steps.indexOf(a.step) - steps.indexOf(b.step));
}

async function perform(step: Step): Promise<Result> {
  const started = performance.now();
  const { code, output } = await capture(step.command);
  const problem = code === 0 ? step.inspect?.(output) : output;
  return { step, seconds: (performance.now() - started) / 1000, problem };
}

function capture([program = '', ...args]: readonly string[]): Promise<{ code: number | null; output: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number | null; output: string }>();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.on('error', reject);
  child.on('close', (code) => resolve({ code, output }));
  return promise;
}
