/** Of a normal distribution, the median of deviations times this is the standard deviation. */
const DEVIATION_OF_MEDIAN = 1.4826;

/** The value below which so much of them lies; undefined of nothing. */
export function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function median(values: readonly number[]): number | undefined {
  return quantile(values, 0.5);
}

/** How far values stray, as the median of deviations tells it: a few wild ones among many count for nothing. */
export function spread(values: readonly number[]): number {
  const middle = median(values) ?? 0;
  return (median(values.map((value) => Math.abs(value - middle))) ?? 0) * DEVIATION_OF_MEDIAN;
}
