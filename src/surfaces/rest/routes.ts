import type { Catalog } from '../../core/catalog.ts';
import type { AnyOperation } from '../../core/operation.ts';

export const API = '/api/v1';

export interface Route {
  readonly operation: AnyOperation;
  readonly method: 'GET' | 'POST';
  /** With members of the input in braces. */
  readonly path: string;
  readonly parameters: readonly string[];
}

/** Every address of every query and command, the one it is known by first. Two that share one are a mistake found at boot. */
export function routesOf(catalog: Catalog): Route[] {
  const taken = new Map<string, string>();
  const routes: Route[] = [];
  for (const operation of catalog.operations.values()) {
    const method = operation.kind === 'query' ? 'GET' : 'POST';
    for (const path of new Set([...(operation.paths ?? []), `${API}/${operation.name}`])) {
      const key = `${method} ${path.replaceAll(/\{[^}]*\}/g, '{}')}`;
      const other = taken.get(key);
      if (other !== undefined) throw new Error(`${operation.name} and ${other} both want ${key}`);
      taken.set(key, operation.name);
      routes.push({ operation, method, path, parameters: parametersOf(operation, path) });
    }
  }
  return routes;
}

function parametersOf(operation: AnyOperation, path: string): string[] {
  const parameters = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = '']) => name);
  const unknown = parameters.find((name) => !(name in operation.input.shape));
  if (unknown !== undefined) throw new Error(`${operation.name} has ${path}, and no member ${unknown}`);
  return parameters;
}
