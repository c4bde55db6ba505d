import type { AppName } from '../../core/recognizer.ts';
import { composeOf } from './identity.ts';
import { fileOf } from './clues.ts';
import type { Observation } from './observe.ts';

/** What people would call it: the unit, the compose service, the container, the application, else the product. */
export function nameFor(observation: Observation, product: string, app: AppName | undefined): string {
  if (observation.unit) return observation.unit.name.replace(/\.service$/, '');
  if (observation.container) {
    const { project, service, number } = composeOf(observation.container.labels);
    return project && service
      ? `${project}/${service}${number === '1' ? '' : `-${number}`}`
      : observation.container.name;
  }
  const application =
    product === 'unknown' || product === 'http-service' || product.endsWith('-app') || product === 'mcp-server';
  if (application && app) return app.name.replace(/^@[^/]+\//, '');
  if (product !== 'unknown') return product;
  return observation.root ? fileOf(observation.root.executable) || 'unknown' : 'unknown';
}

/** The name, with the port and then a number behind it where another service has it already. */
export function distinctName(wanted: string, port: number | undefined, taken: ReadonlySet<string>): string {
  if (!taken.has(wanted)) return wanted;
  const withPort = port ? `${wanted}-${port}` : wanted;
  if (!taken.has(withPort)) return withPort;
  for (let number = 2; ; number += 1) {
    if (!taken.has(`${withPort}-${number}`)) return `${withPort}-${number}`;
  }
}
