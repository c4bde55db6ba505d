import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link, redirect } from '@tanstack/react-router';
import { auditSearchOf } from './pages/audit/search.ts';
import { Home } from './pages/home.tsx';
import { logsSearchOf } from './pages/logs/search.ts';
import { Page } from './parts/page.tsx';
import { Shell } from './shell/shell.tsx';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Page title="There is nothing here" about={<Link to="/">To the first page</Link>}>
      {undefined}
    </Page>
  ),
});

const getParentRoute = () => root;

const reports = createRoute({
  getParentRoute,
  path: '/reports',
  component: lazyRouteComponent(() => import('./pages/reports/shell.tsx'), 'ReportsShell'),
});
const reportsParent = () => reports;

const reportPages = reports.addChildren([
  createRoute({
    getParentRoute: reportsParent,
    path: '/',
    component: lazyRouteComponent(() => import('./pages/reports/health-reports.tsx'), 'HealthReports'),
  }),
  createRoute({
    getParentRoute: reportsParent,
    path: '/$id',
    component: lazyRouteComponent(() => import('./pages/reports/health-report.tsx'), 'HealthReport'),
  }),
  createRoute({
    getParentRoute: reportsParent,
    path: '/performance',
    component: lazyRouteComponent(() => import('./pages/reports/performance-reports.tsx'), 'PerformanceReports'),
  }),
  createRoute({
    getParentRoute: reportsParent,
    path: '/performance/$id',
    component: lazyRouteComponent(() => import('./pages/reports/performance-report.tsx'), 'PerformanceReport'),
  }),
  createRoute({
    getParentRoute: reportsParent,
    path: '/weekly',
    component: lazyRouteComponent(() => import('./pages/reports/weekly-summaries.tsx'), 'WeeklySummaries'),
  }),
  createRoute({
    getParentRoute: reportsParent,
    path: '/weekly/$id',
    component: lazyRouteComponent(() => import('./pages/reports/weekly-summary.tsx'), 'WeeklySummary'),
  }),
]);

const alerts = createRoute({
  getParentRoute,
  path: '/alerts',
  component: lazyRouteComponent(() => import('./pages/alerts/shell.tsx'), 'AlertsShell'),
});
const alertsParent = () => alerts;

const alertPages = alerts.addChildren([
  createRoute({
    getParentRoute: alertsParent,
    path: '/',
    component: lazyRouteComponent(() => import('./pages/alerts/alerts.tsx'), 'Alerts'),
  }),
  createRoute({
    getParentRoute: alertsParent,
    path: '/interruptions',
    component: lazyRouteComponent(() => import('./pages/alerts/interruptions.tsx'), 'Interruptions'),
  }),
]);

const settings = createRoute({
  getParentRoute,
  path: '/settings',
  component: lazyRouteComponent(() => import('./pages/settings/shell.tsx'), 'SettingsShell'),
});
const settingsParent = () => settings;

const settingsPages = settings.addChildren([
  createRoute({
    getParentRoute: settingsParent,
    path: '/',
    beforeLoad: () => redirect({ to: '/settings/account', throw: true }),
  }),
  createRoute({
    getParentRoute: settingsParent,
    path: '/account',
    component: lazyRouteComponent(() => import('./pages/settings/account.tsx'), 'Account'),
  }),
  createRoute({
    getParentRoute: settingsParent,
    path: '/users',
    component: lazyRouteComponent(() => import('./pages/settings/users.tsx'), 'Users'),
  }),
  createRoute({
    getParentRoute: settingsParent,
    path: '/tokens',
    component: lazyRouteComponent(() => import('./pages/settings/tokens.tsx'), 'Tokens'),
  }),
  createRoute({
    getParentRoute: settingsParent,
    path: '/channels',
    component: lazyRouteComponent(() => import('./pages/settings/channels.tsx'), 'Channels'),
  }),
  createRoute({
    getParentRoute: settingsParent,
    path: '/nodes',
    component: lazyRouteComponent(() => import('./pages/settings/nodes.tsx'), 'Nodes'),
  }),
  createRoute({
    getParentRoute: settingsParent,
    path: '/policy',
    component: lazyRouteComponent(() => import('./pages/settings/policy.tsx'), 'Policy'),
  }),
  createRoute({
    getParentRoute: settingsParent,
    path: '/configuration',
    component: lazyRouteComponent(() => import('./pages/settings/configuration.tsx'), 'Configuration'),
  }),
]);

const routes = root.addChildren([
  settingsPages,
  createRoute({
    getParentRoute,
    path: '/backups',
    component: lazyRouteComponent(() => import('./pages/backups/backups.tsx'), 'Backups'),
  }),
  createRoute({
    getParentRoute,
    path: '/backups/$source',
    component: lazyRouteComponent(() => import('./pages/backups/source.tsx'), 'Source'),
  }),
  createRoute({
    getParentRoute,
    path: '/backups/$source/$copy',
    component: lazyRouteComponent(() => import('./pages/backups/copy.tsx'), 'Copy'),
  }),
  createRoute({
    getParentRoute,
    path: '/databases',
    component: lazyRouteComponent(() => import('./pages/databases/databases.tsx'), 'Databases'),
  }),
  createRoute({
    getParentRoute,
    path: '/databases/$source',
    component: lazyRouteComponent(() => import('./pages/databases/database.tsx'), 'Database'),
  }),
  createRoute({
    getParentRoute,
    path: '/audit',
    validateSearch: auditSearchOf,
    component: lazyRouteComponent(() => import('./pages/audit/audit.tsx'), 'Audit'),
  }),
  createRoute({
    getParentRoute,
    path: '/audit/$kind/$id',
    component: lazyRouteComponent(() => import('./pages/audit/trail.tsx'), 'Trail'),
  }),
  reportPages,
  createRoute({
    getParentRoute,
    path: '/machine',
    component: lazyRouteComponent(() => import('./pages/machine/machine.tsx'), 'Machine'),
  }),
  createRoute({
    getParentRoute,
    path: '/changes',
    component: lazyRouteComponent(() => import('./pages/changes.tsx'), 'Changes'),
  }),
  createRoute({
    getParentRoute,
    path: '/logs',
    validateSearch: logsSearchOf,
    component: lazyRouteComponent(() => import('./pages/logs/logs.tsx'), 'Logs'),
  }),
  createRoute({ getParentRoute, path: '/', component: Home }),
  createRoute({
    getParentRoute,
    path: '/services',
    component: lazyRouteComponent(() => import('./pages/services.tsx'), 'Services'),
  }),
  createRoute({
    getParentRoute,
    path: '/webhooks',
    component: lazyRouteComponent(() => import('./pages/webhooks/webhooks.tsx'), 'Webhooks'),
  }),
  createRoute({
    getParentRoute,
    path: '/gateway-status',
    component: lazyRouteComponent(() => import('./pages/gateway/gateway.tsx'), 'Gateway'),
  }),
  createRoute({
    getParentRoute,
    path: '/places',
    component: lazyRouteComponent(() => import('./pages/places/places.tsx'), 'Places'),
  }),
  createRoute({
    getParentRoute,
    path: '/services/$id',
    component: lazyRouteComponent(() => import('./pages/service.tsx'), 'Service'),
  }),
  createRoute({
    getParentRoute,
    path: '/incidents',
    component: lazyRouteComponent(() => import('./pages/incidents.tsx'), 'Incidents'),
  }),
  createRoute({
    getParentRoute,
    path: '/incidents/$id',
    component: lazyRouteComponent(() => import('./pages/incident.tsx'), 'Incident'),
  }),
  createRoute({
    getParentRoute,
    path: '/runs',
    component: lazyRouteComponent(() => import('./pages/runs.tsx'), 'Runs'),
  }),
  createRoute({
    getParentRoute,
    path: '/runs/$id',
    component: lazyRouteComponent(() => import('./pages/run.tsx'), 'Run'),
  }),
  createRoute({
    getParentRoute,
    path: '/automations',
    component: lazyRouteComponent(() => import('./pages/automations.tsx'), 'Automations'),
  }),
  createRoute({
    getParentRoute,
    path: '/automations/$name',
    // What a link fills in.
    validateSearch: ({ input }): { readonly input?: Readonly<Record<string, unknown>> } =>
      input !== null && typeof input === 'object' && !Array.isArray(input)
        ? { input: input as Readonly<Record<string, unknown>> }
        : {},
    component: lazyRouteComponent(() => import('./pages/automation.tsx'), 'Automation'),
  }),
  createRoute({
    getParentRoute,
    path: '/workflows',
    component: lazyRouteComponent(() => import('./pages/workflows.tsx'), 'Workflows'),
  }),
  createRoute({
    getParentRoute,
    path: '/workflows/$name',
    component: lazyRouteComponent(() => import('./pages/workflow.tsx'), 'Workflow'),
  }),
  createRoute({
    getParentRoute,
    path: '/workflow-executions/$id',
    component: lazyRouteComponent(() => import('./pages/execution.tsx'), 'Execution'),
  }),
  createRoute({
    getParentRoute,
    path: '/schedules',
    component: lazyRouteComponent(() => import('./pages/schedules/schedules.tsx'), 'Schedules'),
  }),
  createRoute({
    getParentRoute,
    path: '/topology',
    component: lazyRouteComponent(() => import('./pages/topology/topology.tsx'), 'Topology'),
  }),
  createRoute({
    getParentRoute,
    path: '/maintenance',
    component: lazyRouteComponent(() => import('./pages/maintenance.tsx'), 'Maintenance'),
  }),
  alertPages,
  createRoute({
    getParentRoute,
    path: '/endpoints',
    component: lazyRouteComponent(() => import('./pages/endpoints/endpoints.tsx'), 'Endpoints'),
  }),
  createRoute({
    getParentRoute,
    path: '/checklists',
    component: lazyRouteComponent(() => import('./pages/checklists.tsx'), 'Checklists'),
  }),
  createRoute({
    getParentRoute,
    path: '/heartbeats',
    component: lazyRouteComponent(() => import('./pages/heartbeats.tsx'), 'Heartbeats'),
  }),
]);

export function createPages() {
  return createRouter({ routeTree: routes, defaultPreload: 'intent', scrollRestoration: true });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createPages>;
  }
}
