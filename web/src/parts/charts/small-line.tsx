import { tookOf } from '../length.ts';
import classes from './small-line.module.css';
import { pathOf, type Point, scaleOf, stepOf } from './scale.ts';

const [WIDTH, HEIGHT] = [160, 28];

interface SmallLineProps {
  readonly points: readonly Point[];
  readonly range: { readonly from: string; readonly to: string };
  /** The longest of all lines beside this one, so that they can be compared. */
  readonly most: number;
  readonly label: string;
}

/** How long something took over time, in the height of a line of text. */
export function SmallLine({ points, range, most, label }: SmallLineProps) {
  const [least, longest] = [Math.min(...points.map(({ min }) => min)), Math.max(...points.map(({ max }) => max))];
  const scale = scaleOf([[{ at: range.from, avg: most, min: most, max: most }]], {
    ...range,
    width: WIDTH,
    height: HEIGHT,
  });
  return (
    <svg
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={`${label}: between ${tookOf(least * 1_000)} and ${tookOf(longest * 1_000)}`}
      className={classes.small}
    >
      <path d={`M0 ${HEIGHT}H${WIDTH}`} className={classes.ground} />
      <path d={pathOf(points, stepOf([points]), scale)} className={classes.line} />
    </svg>
  );
}
