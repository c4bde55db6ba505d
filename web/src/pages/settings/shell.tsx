import { Outlet } from '@tanstack/react-router';
import { Places } from '../../parts/places.tsx';
import { useSession } from '../../session/session.tsx';
import { SETTINGS } from './places.ts';

/** What stands around every page of the settings: the others, as far as one may see them. */
export function SettingsShell() {
  const { may } = useSession();
  return (
    <>
      <Places label="Settings" places={SETTINGS.filter(({ needs }) => may(needs))} />
      <Outlet />
    </>
  );
}
