import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Link } from '@tanstack/react-router';
import { Home } from './pages/home.tsx';
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

const routes = root.addChildren([
  createRoute({ getParentRoute, path: '/', component: Home }),
  createRoute({
    getParentRoute,
    path: '/services',
    component: lazyRouteComponent(() => import('./pages/services.tsx'), 'Services'),
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
]);

export function createPages() {
  return createRouter({ routeTree: routes, defaultPreload: 'intent', scrollRestoration: true });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createPages>;
  }
}
