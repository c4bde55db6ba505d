import { Text, TextInput } from '@mantine/core';
import { tell } from '../../api/client.ts';
import { Ago } from '../../parts/ago.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Proven } from '../../parts/proven.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { knowsPasskeys, makePasskey } from '../../session/passkeys.ts';
import type { Account } from '../../session/proof.ts';

export function PasskeyPart({ account }: { readonly account: Account }) {
  const add = useCommand('/api/v1/add-passkey', { quiet: true, done: 'The passkey is yours.' });
  const remove = useCommand('/api/v1/remove-passkey', { quiet: true, done: 'The passkey is removed.' });
  const why = account.noPasskeys ?? (knowsPasskeys() ? undefined : 'This browser is too old for passkeys.');

  return (
    <Section title="Passkeys">
      <Card>
        <Row>
          <Text c="dimmed" className="grow">
            {why ?? 'A passkey signs you in, and approves what destroys, without a password.'}
          </Text>
          {why === undefined && (
            <Proven
              label="Add a passkey…"
              title="Add a passkey"
              button="Add"
              purpose={`add-passkey:${account.id}`}
              act={async ({ name = '' }, proof) => {
                const { options } = await tell('/api/v1/offer-passkey', { body: { ...(proof && { proof }) } });
                await add.mutateAsync({ body: { name, response: await makePasskey(options) } });
              }}
            >
              <TextInput name="name" label="What you call it" defaultValue="This device" required maxLength={60} />
            </Proven>
          )}
        </Row>
        {account.passkeys.map(({ id, name, place, createdAt, lastUsedAt }) => (
          <Row key={id}>
            <div className="grow">
              <strong>{name}</strong>{' '}
              <Text span size="sm" c="dimmed">
                {place}, {lastUsedAt === undefined ? 'made' : 'used'} <Ago at={lastUsedAt ?? createdAt} />
              </Text>
            </div>
            <Proven
              label="Remove…"
              describedAs={`Remove the passkey ${name}…`}
              size="xs"
              title={`Remove the passkey ${name}?`}
              button="Remove"
              danger
              purpose={`remove-passkey:${account.id}`}
              act={(_fields, proof) => remove.mutateAsync({ body: { id, ...(proof && { proof }) } })}
            />
          </Row>
        ))}
      </Card>
    </Section>
  );
}
