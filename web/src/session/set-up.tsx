import { PasswordInput, TextInput } from '@mantine/core';
import { tell } from '../api/client.ts';
import { Gate } from './gate.tsx';

/** The first admin, from the link that works once. Its token stands behind the #, which no server ever sees. */
export function SetUp({ enter }: { readonly enter: () => Promise<void> }) {
  const token = location.hash.slice(1);
  return (
    <Gate
      title="Welcome to Steward"
      text={
        token
          ? 'Create the first admin. This link works once.'
          : 'The link is not complete: it has a part behind a #. It stands on the console and in the file setup-link.'
      }
      button="Create admin"
      submit={async ({ name = '', password = '' }) => {
        await tell('/api/v1/setup', { body: { name, password, token } });
        history.replaceState(undefined, '', '/');
        await enter();
      }}
    >
      <TextInput
        name="name"
        label="Name"
        required
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
      />
      <PasswordInput
        name="password"
        label="Password"
        description="At least 10 characters"
        required
        minLength={10}
        autoComplete="new-password"
      />
    </Gate>
  );
}
