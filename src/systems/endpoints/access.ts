import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { SecretReference, SecretResolver } from '../../core/secrets.ts';
import type { Subscription } from '../../core/subscription.ts';
import type { Vault } from '../../core/vault.ts';
import type { OutgoingWebhook } from '../../core/webhook-sender.ts';
import type { EndpointRow } from './tables.ts';

/** An endpoint as steward.yaml has it. */
export interface ConfiguredEndpoint {
  readonly name: string;
  readonly url: string | SecretReference;
  readonly secrets: readonly SecretReference[];
  readonly token?: SecretReference | undefined;
  readonly allowPrivate: boolean;
  readonly subscription: Subscription;
  readonly body: EndpointRow['body'];
}

/** What only the key of this installation opens. */
export const Sealed = z.object({
  url: z.string(),
  token: z.string().optional(),
  /** The newest first; one with an end signs until then. */
  secrets: z.array(z.object({ secret: z.string(), until: z.coerce.date().optional() })),
});
export type Sealed = z.output<typeof Sealed>;

export type Access = Pick<OutgoingWebhook, 'url' | 'secrets' | 'token' | 'allowPrivate'>;

const contextOf = (id: string): string => `webhook-endpoint ${id}`;

export function sealAccess(vault: Pick<Vault, 'seal' | 'keyId'>, id: string, access: Sealed) {
  return { sealed: vault.seal(JSON.stringify(access), contextOf(id)), key_id: vault.keyId };
}

/** Undefined where the key is another one, or somebody altered the row. */
export function openAccess(
  vault: Pick<Vault, 'open'>,
  { id, sealed }: Pick<EndpointRow, 'id' | 'sealed'>,
): Sealed | undefined {
  const text = sealed === null ? undefined : vault.open(sealed, contextOf(id));
  return text === undefined ? undefined : Sealed.parse(JSON.parse(text));
}

/** Where an endpoint is, and with what is signed: read at each use. */
export function createAccess({
  vault,
  secrets,
  configured,
  allowed,
  now,
}: {
  readonly vault: Pick<Vault, 'open'>;
  readonly secrets: SecretResolver;
  readonly configured: () => readonly ConfiguredEndpoint[];
  /** Hosts, with a port or without, that the configuration lets any endpoint have although they are private. */
  readonly allowed: () => readonly string[];
  readonly now: () => Date;
}) {
  const isAllowed = ({ hostname, host, port, protocol }: URL): boolean => {
    const withPort = port === '' ? `${host}:${protocol === 'https:' ? 443 : 80}` : host;
    return allowed().some((each) => each === hostname || each === withPort);
  };

  async function ofConfigured(name: string): Promise<Access> {
    const found = configured().find((each) => each.name === name);
    if (!found)
      throw new StewardError('PRECONDITION_FAILED', `The endpoint ${name} is not in the configuration of this node.`, {
        hint: 'Another node has it, or it was removed a moment ago.',
      });
    const url = typeof found.url === 'string' ? found.url : (await secrets(found.url)).trim();
    if (!URL.canParse(url))
      throw new StewardError('PRECONDITION_FAILED', `What is kept as the address of endpoint ${name} is none.`, {
        hint: 'Expected https://example.org/path there.',
      });
    return {
      url,
      secrets: await Promise.all(found.secrets.map(async (secret) => (await secrets(secret)).trim())),
      token: found.token && (await secrets(found.token)).trim(),
      allowPrivate: (to) => found.allowPrivate || isAllowed(to),
    };
  }

  return async (row: Pick<EndpointRow, 'id' | 'name' | 'origin' | 'sealed'>): Promise<Access> => {
    if (row.origin === 'configured') return await ofConfigured(row.name);
    const open = openAccess(vault, row);
    if (!open)
      throw new StewardError(
        'PRECONDITION_FAILED',
        `The address of endpoint ${row.name} was sealed with another key.`,
        {
          hint: 'Remove it and create it again, or bring back vault.key.',
        },
      );
    const good = open.secrets.filter(({ until }) => until === undefined || until > now());
    return { url: open.url, token: open.token, secrets: good.map(({ secret }) => secret), allowPrivate: isAllowed };
  };
}
