import { PasswordInput, TextInput } from '@mantine/core';
import type { Account } from '../session/proof.ts';

/** That it is really the person: the password, with a code where an authenticator is enrolled. */
export function ProofFields({ account }: { readonly account: Account | undefined }) {
  if (account?.password === false) return undefined;
  return (
    <>
      <PasswordInput name="password" label="Your password" required autoComplete="current-password" />
      {account?.authenticator === true && (
        <TextInput
          name="code"
          label="Code of your authenticator app"
          required
          maxLength={40}
          autoComplete="one-time-code"
          autoCapitalize="none"
          spellCheck={false}
        />
      )}
    </>
  );
}
