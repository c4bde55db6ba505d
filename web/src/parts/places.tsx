import { Link } from '@tanstack/react-router';
import classes from './places.module.css';

export interface SubPlace {
  readonly to: string;
  readonly label: string;
  /** Its own page alone, and none of those below it. */
  readonly exact?: boolean;
}

/** The pages that stand side by side under one name. */
export function Places({ label: name, places }: { readonly label: string; readonly places: readonly SubPlace[] }) {
  return (
    <nav aria-label={name} className={classes.places}>
      {places.map(({ to, label, exact = false }) => (
        <Link
          key={to}
          to={to}
          className={classes.place}
          activeOptions={{ exact }}
          activeProps={{ 'aria-current': 'page' }}
        >
          {label}
        </Link>
      ))}
    </nav>
  );
}
