import { Button, MultiSelect, NativeSelect, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import type { Told200 } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Ask, type Fields } from '../../parts/ask.tsx';
import { Card, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { ShownOnce } from '../../parts/shown-once.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { type Permission, useSession } from '../../session/session.tsx';
import { ROLES, type Role } from './roles.ts';
import { TokenRow } from './token-row.tsx';

const PERMISSIONS: readonly Permission[] = ['read', 'operate', 'destroy', 'administer', 'audit'];
const ENDS = [
  { value: '1d', label: 'in a day' },
  { value: '30d', label: 'in 30 days' },
  { value: '90d', label: 'in 90 days' },
  { value: '365d', label: 'in a year' },
  { value: 'never', label: 'never (administrators only)' },
];

export function Tokens() {
  const { may } = useSession();
  const tokens = useAnswer('/api/v1/tokens');
  return (
    <Page
      title="Tokens"
      about="Which programs may use the API, as whom, and until when?"
      actions={may('operate') && <CreateToken key="create" />}
    >
      <Answered answer={tokens}>
        {({ items }) => {
          const live = items.filter(({ revokedAt }) => revokedAt === undefined);
          const revoked = items.filter(({ revokedAt }) => revokedAt !== undefined);
          return (
            <>
              {live.length === 0 && <Text c="dimmed">There is none: only people who sign in can act here.</Text>}
              <Card>
                {live.map((token) => (
                  <TokenRow key={token.id} token={token} />
                ))}
              </Card>
              {revoked.length > 0 && (
                <Section title="Revoked" count={revoked.length}>
                  <Card>
                    {revoked.map((token) => (
                      <TokenRow key={token.id} token={token} />
                    ))}
                  </Card>
                </Section>
              )}
            </>
          );
        }}
      </Answered>
    </Page>
  );
}

const listOf = (text = ''): string[] => text.split(/[\s,]+/).filter(Boolean);

function CreateToken() {
  const { me } = useSession();
  const [opened, { open, close }] = useDisclosure();
  const [made, setMade] = useState<Told200<'/api/v1/create-token'>>();
  const create = useCommand('/api/v1/create-token', { quiet: true });

  async function submit({ name = '', role = 'viewer', expires = '90d', permissions, only }: Fields): Promise<void> {
    const scope = {
      ...(permissions !== undefined && { permissions: listOf(permissions) as Permission[] }),
      ...(only !== undefined && { only: listOf(only) }),
    };
    setMade(await create.mutateAsync({ body: { name, role: role as Role, expires, ...scope } }));
  }

  return (
    <>
      <Button onClick={open}>Create a token…</Button>
      <Ask title="Create a token" button="Create" opened={opened} close={close} submit={submit}>
        <TextInput name="name" label="What it is for" placeholder="hallway-screen" required maxLength={100} />
        <NativeSelect
          name="role"
          label="Role"
          data={ROLES.filter(({ value }) => value !== 'admin' || me.role === 'admin')}
        />
        <NativeSelect name="expires" label="Ends" defaultValue="90d" data={ENDS} />
        <MultiSelect
          name="permissions"
          label="Only these permissions"
          description="Empty: all that the role has"
          data={[...PERMISSIONS]}
          clearable
        />
        <TextInput
          name="only"
          label="Only these operations"
          description="Names as in the API, * for any part. Empty: all"
          placeholder="backup-* services"
        />
      </Ask>
      <ShownOnce
        title={`The token ${made?.name ?? ''}`}
        text="It is shown once. Keep it where the program finds it, and nobody else does."
        secret={made?.token}
        done={() => setMade(undefined)}
      />
    </>
  );
}
