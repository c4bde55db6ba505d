import classes from './qr-code.module.css';

/** Dark on white whatever the theme: cameras expect it so. */
export function QrCode({ rows }: { readonly rows: readonly string[] }) {
  const dark = rows.flatMap((row, y) =>
    row.split('').flatMap((cell, x) => (cell === '#' ? [`M${x} ${y}h1v1h-1z`] : [])),
  );
  return (
    <svg
      className={classes.code}
      viewBox={`0 0 ${rows.length} ${rows.length}`}
      role="img"
      aria-label="The key, to be scanned"
      shapeRendering="crispEdges"
    >
      <path d={dark.join('')} />
    </svg>
  );
}
