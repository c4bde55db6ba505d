import { NativeSelect, PasswordInput, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Answer, Told200 } from '../../api/client.ts';
import { useAnswer } from '../../api/use-answer.ts';
import { Ago } from '../../parts/ago.tsx';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { Proven } from '../../parts/proven.tsx';
import { ShownOnce } from '../../parts/shown-once.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';
import { type Role, ROLES } from './roles.ts';
import { SessionRow } from './session-rows.tsx';

type User = Answer<'/api/v1/users'>['items'][number];

export function Users() {
  const users = useAnswer('/api/v1/users');
  const sessions = useAnswer('/api/v1/sessions').data?.items ?? [];
  const { may } = useSession();
  return (
    <Page title="Users" about="Who may sign in, and as what?" actions={may('administer') && <CreateUser />}>
      <Answered answer={users}>
        {({ items }) => (
          <Card>
            {items.map((user) => (
              <UserRow key={user.id} user={user} />
            ))}
          </Card>
        )}
      </Answered>
      <Section title="Signed in now" count={sessions.length}>
        <Card>
          {sessions.map((session) => (
            <SessionRow key={session.id} session={session} who />
          ))}
        </Card>
      </Section>
    </Page>
  );
}

function UserRow({ user: { name, role, createdBy, lastLoginAt, disabledAt } }: { readonly user: User }) {
  const { me } = useSession();
  return (
    <Row>
      <div className="grow">
        <strong>{name}</strong> <State word={role} tone="calm" />{' '}
        {disabledAt !== undefined && <State word="disabled" tone="warn" />}
        <Text size="sm" c="dimmed">
          Made by {createdBy};{' '}
          {lastLoginAt === undefined ? (
            'never signed in'
          ) : (
            <>
              signed in <Ago at={lastLoginAt} />
            </>
          )}
        </Text>
      </div>
      {name !== me.name && (
        <>
          <ChangeUser name={name} role={role} />
          <ResetSecondFactor name={name} />
          <Shut name={name} disabled={disabledAt !== undefined} />
        </>
      )}
    </Row>
  );
}

function CreateUser() {
  const [made, setMade] = useState<Told200<'/api/v1/create-user'>>();
  const create = useCommand('/api/v1/create-user', { quiet: true });
  return (
    <>
      <Proven
        label="Create a user…"
        variant="filled"
        title="Create a user"
        button="Create"
        purpose={({ name = '' }) => `create-user:${name}`}
        act={async ({ name = '', role = 'viewer', next }, proof) => {
          const user = await create.mutateAsync({
            body: { name, role: role as Role, ...(next !== undefined && { password: next }), ...(proof && { proof }) },
          });
          if (user.password !== undefined) setMade(user);
        }}
      >
        <TextInput name="name" label="Name" required autoCapitalize="none" autoComplete="off" spellCheck={false} />
        <NativeSelect name="role" label="Role" data={[...ROLES]} />
        <PasswordInput
          name="next"
          label="Password of the new user"
          description="Empty: one is made up and shown once"
          minLength={10}
          maxLength={200}
          autoComplete="new-password"
        />
      </Proven>
      <ShownOnce
        title={`The password of ${made?.name ?? ''}`}
        text="It is shown once. Whoever gets it should change it after the first sign-in."
        secret={made?.password}
        done={() => setMade(undefined)}
      />
    </>
  );
}

function ChangeUser({ name, role }: { readonly name: string; readonly role: Role }) {
  const update = useCommand('/api/v1/update-user', { quiet: true, done: `${name} is changed.` });
  return (
    <Proven
      label="Change…"
      describedAs={`Change ${name}…`}
      size="xs"
      title={`Change ${name}`}
      button="Change"
      purpose={`update-user:${name}`}
      act={({ role: asked, next }, proof) =>
        update.mutateAsync({
          body: {
            name,
            ...(asked !== undefined && asked !== role && { role: asked as Role }),
            ...(next !== undefined && { password: next }),
            ...(proof && { proof }),
          },
        })
      }
    >
      <NativeSelect name="role" label="Role" defaultValue={role} data={[...ROLES]} />
      <PasswordInput
        name="next"
        label={`New password of ${name}`}
        description="Empty: it stays as it is"
        minLength={10}
        maxLength={200}
        autoComplete="new-password"
      />
    </Proven>
  );
}

function ResetSecondFactor({ name }: { readonly name: string }) {
  const reset = useCommand('/api/v1/reset-second-factor', {
    quiet: true,
    done: `${name} signs in with the password alone.`,
  });
  return (
    <Proven
      label="Reset second factor…"
      describedAs={`Reset second factor… of ${name}`}
      size="xs"
      title={`Reset the second factor of ${name}?`}
      text="The authenticator app, the recovery codes and the passkeys are removed, and the user is signed out. Make sure that it is really the person who asks."
      button="Reset"
      danger
      purpose={`reset-second-factor:${name}`}
      act={(_fields, proof) => reset.mutateAsync({ body: { name, ...(proof && { proof }) } })}
    />
  );
}

function Shut({ name, disabled }: { readonly name: string; readonly disabled: boolean }) {
  const update = useCommand('/api/v1/update-user', {
    quiet: true,
    done: disabled ? `${name} may sign in again.` : `${name} is shut out.`,
  });
  return (
    <Proven
      label={disabled ? 'Enable…' : 'Disable…'}
      describedAs={`${disabled ? 'Enable' : 'Disable'} ${name}…`}
      size="xs"
      title={disabled ? `Let ${name} sign in again?` : `Disable ${name}?`}
      {...(!disabled && { text: 'The user is signed out at once, and nothing made in this name works any more.' })}
      button={disabled ? 'Enable' : 'Disable'}
      danger={!disabled}
      purpose={`update-user:${name}`}
      act={(_fields, proof) => update.mutateAsync({ body: { name, disabled: !disabled, ...(proof && { proof }) } })}
    />
  );
}
