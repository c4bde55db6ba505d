import { Link, Outlet } from '@tanstack/react-router';
import { useSession } from '../../session/session.tsx';
import { SETTINGS } from './places.ts';
import classes from './shell.module.css';

/** What stands around every page of the settings: the others, as far as one may see them. */
export function SettingsShell() {
  const { may } = useSession();
  return (
    <>
      <nav aria-label="Settings" className={classes.places}>
        {SETTINGS.filter(({ needs }) => may(needs)).map(({ to, label }) => (
          <Link key={to} to={to} className={classes.place} activeProps={{ 'aria-current': 'page' }}>
            {label}
          </Link>
        ))}
      </nav>
      <Outlet />
    </>
  );
}
