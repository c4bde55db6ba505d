import type { SecretResolver } from '../../core/secrets.ts';
import { addressOfContainer } from '../docker/address.ts';

/** What it takes to reach the server of a source. */
export interface Reaching {
  readonly secrets: SecretResolver;
  /** DOCKER_HOST: the engine whose containers sources name. */
  readonly dockerHost?: string | undefined;
}

/** Where its server is now. */
export async function hostOf(
  { host, container }: { readonly host: string; readonly container?: string | undefined },
  { dockerHost }: Reaching,
): Promise<string> {
  return container === undefined ? host : await addressOfContainer(container, dockerHost);
}
