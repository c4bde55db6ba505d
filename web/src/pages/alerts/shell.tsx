import { Outlet } from '@tanstack/react-router';
import { Places } from '../../parts/places.tsx';

const PLACES = [
  { to: '/alerts', label: 'Silences and routes', exact: true },
  { to: '/alerts/interruptions', label: 'Interruptions' },
];

/** What stands around everything about alerts. */
export function AlertsShell() {
  return (
    <>
      <Places label="About alerts" places={PLACES} />
      <Outlet />
    </>
  );
}
