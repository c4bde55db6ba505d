/** One promise, measured. Values are medians over the runs that `runs` counts. */
export interface BenchResult {
  readonly name: string;
  readonly figure: string;
  readonly unit: 'µs' | 'ms' | 'MB' | '%' | '1/s' | 's';
  readonly value: number;
  readonly runs: number;
  readonly peer?: { readonly name: string; readonly value: number };
  /** value / peer.value */
  readonly ratio?: number;
  readonly goal: string;
  readonly ok: boolean;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** What a bench file prints as its last line. */
export function report(results: readonly BenchResult[]): void {
  console.log(JSON.stringify(results));
}

/** While something is worked on smaller and fewer runs tell enough; promises are kept by the whole. */
export const RUNS = Number(process.env['STEWARD_BENCH_RUNS'] ?? 5);
export const SCALE = Number(process.env['STEWARD_BENCH_SCALE'] ?? 1);
