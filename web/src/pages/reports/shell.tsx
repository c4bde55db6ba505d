import { Outlet } from '@tanstack/react-router';
import { Places } from '../../parts/places.tsx';

const KINDS = [
  { to: '/reports', label: 'Health', exact: true },
  { to: '/reports/performance', label: 'Performance' },
  { to: '/reports/weekly', label: 'Weeks' },
];

/** What stands around every report: the other kinds. */
export function ReportsShell() {
  return (
    <>
      <Places label="Kinds of reports" places={KINDS} />
      <Outlet />
    </>
  );
}
