import { Button, NativeSelect, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import type { Answer, Told200 } from '../../api/client.ts';
import { Ago, Until } from '../../parts/ago.tsx';
import { Ask } from '../../parts/ask.tsx';
import { Row } from '../../parts/card.tsx';
import { useNow } from '../../parts/clock.ts';
import { ShownOnce } from '../../parts/shown-once.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';

type Token = Answer<'/api/v1/tokens'>['items'][number];

/** A token with what can be done to it. Its text is known to whoever keeps it alone. */
export function TokenRow({ token }: { readonly token: Token }) {
  const { name, role, only = [], permissions = [], expiresAt, lastUsedAt, lastUsedFrom, revokedAt, createdBy } = token;
  const now = useNow();
  const over = revokedAt !== undefined || (expiresAt !== undefined && Date.parse(expiresAt) < now);
  return (
    <Row>
      <div className="grow">
        <strong>{name}</strong> <State word={role} tone="calm" />{' '}
        {over && <State word={revokedAt === undefined ? 'expired' : 'revoked'} tone="warn" />}
        <Text size="sm" c="dimmed">
          {[...permissions, ...only].length > 0 && `Only ${[...permissions, ...only].join(', ')}. `}
          Made by {createdBy},{' '}
          {expiresAt === undefined ? (
            'without end'
          ) : over ? (
            <>
              ended <Ago at={revokedAt ?? expiresAt} />
            </>
          ) : (
            <>
              ends <Until at={expiresAt} />
            </>
          )}
          {lastUsedAt === undefined ? (
            '; never used.'
          ) : (
            <>
              ; used <Ago at={lastUsedAt} />
              {lastUsedFrom !== undefined && ` from ${lastUsedFrom}`}.
            </>
          )}
        </Text>
      </div>
      {!over && (
        <>
          <Rotate token={token} />
          <Revoke token={token} />
        </>
      )}
    </Row>
  );
}

function Rotate({ token: { id, name } }: { readonly token: Token }) {
  const [opened, { open, close }] = useDisclosure();
  const [made, setMade] = useState<Told200<'/api/v1/rotate-token'>>();
  const rotate = useCommand('/api/v1/rotate-token', { quiet: true });
  return (
    <>
      <Button variant="default" size="xs" aria-label={`Rotate ${name}…`} onClick={open}>
        Rotate…
      </Button>
      <Ask
        title={`Give ${name} a new secret?`}
        button="Rotate"
        opened={opened}
        close={close}
        submit={async ({ grace = '1h' }) => setMade(await rotate.mutateAsync({ body: { id, grace } }))}
      >
        <NativeSelect
          name="grace"
          label="The old secret works for"
          defaultValue="1h"
          data={[
            { value: '1m', label: 'one minute more' },
            { value: '1h', label: 'one hour more' },
            { value: '1d', label: 'one day more' },
            { value: '7d', label: 'seven days more' },
          ]}
        />
      </Ask>
      <ShownOnce
        title={`The new secret of ${name}`}
        text={
          made && `It is shown once. The old one works until ${new Date(made.previousUntil).toLocaleString()} as well.`
        }
        secret={made?.token}
        done={() => setMade(undefined)}
      />
    </>
  );
}

function Revoke({ token: { id, name } }: { readonly token: Token }) {
  const [opened, { open, close }] = useDisclosure();
  const revoke = useCommand('/api/v1/revoke-token', { quiet: true, done: `${name} is revoked.` });
  return (
    <>
      <Button variant="default" size="xs" aria-label={`Revoke ${name}…`} onClick={open}>
        Revoke…
      </Button>
      <Ask
        title={`Revoke ${name}?`}
        text="It ends at once, with every token that was made with it. Whatever uses it is refused from then on."
        button="Revoke"
        danger
        opened={opened}
        close={close}
        submit={() => revoke.mutateAsync({ body: { id } })}
      />
    </>
  );
}
