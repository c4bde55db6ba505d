import { may } from '../../core/actor.ts';
import type { Call } from '../../core/operation.ts';
import { asJson, perform } from '../perform.ts';
import type { McpDeps } from './deps.ts';

/** What an argument of a prompt or a resource template may be, as far as it was typed. */
export async function completions(
  { catalog, audit, runs }: McpDeps,
  { name, value }: { readonly name: string; readonly value: string },
  call: Call,
): Promise<string[]> {
  const begun = (candidates: readonly string[]): string[] =>
    [...new Set(candidates)].filter((each) => each.toLowerCase().startsWith(value.toLowerCase())).toSorted();
  if (name === 'name') return begun([...catalog.automations.keys()]);
  if (name === 'run' && may(call.actor, 'read', 'runs'))
    return begun((await runs.list({ limit: 100 })).items.map(({ id }) => id));
  const services = catalog.operations.get('services');
  if (name !== 'service' || !services || !may(call.actor, 'read', services.name)) return [];
  const found = asJson(await perform(services, {}, call, audit));
  return begun((found as unknown as { name: string }[]).map((each) => each.name));
}
