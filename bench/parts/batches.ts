import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How long a batch took, and each of it from its trigger to its end. */
export interface Batch {
  readonly ms: number;
  readonly latencies: readonly number[];
}

interface Order {
  readonly runs: number;
  readonly atOnce: number;
}

/** In the process that is measured: does what it is told, one batch after the other. */
export function serveBatches(one: (index: number) => Promise<void>): void {
  let index = 0;
  const batch = async ({ runs, atOnce }: Order): Promise<Batch> => {
    const latencies: number[] = [];
    let left = runs;
    const began = performance.now();
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (left > 0) {
          left -= 1;
          index += 1;
          const from = performance.now();
          await one(index);
          latencies.push(performance.now() - from);
        }
      }),
    );
    return { ms: performance.now() - began, latencies };
  };
  createInterface({ input: process.stdin }).on('line', (line) => {
    void batch(JSON.parse(line) as Order).then(
      (result) => console.log(JSON.stringify(result)),
      (thrown: unknown) => {
        console.error(thrown);
        process.exit(1);
      },
    );
  });
  console.log('"ready"');
}

/** The process that is measured, seen from the one that measures. */
export async function subject(script: string, databaseUrl: string) {
  const child: ChildProcess = spawn(process.execPath, [script, databaseUrl], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  const next = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ended`);
    return JSON.parse(value) as unknown;
  };
  await next();
  return {
    async batch(order: Order): Promise<Batch> {
      child.stdin?.write(`${JSON.stringify(order)}\n`);
      return (await next()) as Batch;
    },
    pid: child.pid ?? 0,
    stop: () => void child.kill('SIGKILL'),
  };
}
