import { Alert, Button, Divider, PasswordInput, Stack, TextInput } from '@mantine/core';
import { useState } from 'react';
import { type Answer, tell } from '../api/client.ts';
import { Refused, wordsOf } from '../api/refused.ts';
import { Gate } from './gate.tsx';
import { answerWithPasskey, knowsPasskeys } from './passkeys.ts';

/** What the identity provider's way back says behind the #. */
const PROBLEMS: Readonly<Record<string, string>> = {
  refused: 'Your identity provider refused the sign-in.',
  expired: 'The sign-in took too long, or was begun in another window. Try again.',
  'no-role': 'Your identity provider knows you, but nothing there gives you a role here. Ask an administrator.',
  domain: 'Your address is not of a domain that may sign in here.',
  disabled: 'Your account here is shut. Ask an administrator.',
  unreachable: 'Your identity provider does not answer. The log of Steward tells more.',
};

type Ways = Answer<'/api/v1/sign-in'>;
type Credentials = Readonly<{ name: string; password: string }>;

export function SignIn({ ways, enter }: { readonly ways: Ways; readonly enter: () => Promise<void> }) {
  const [asksCode, setAsksCode] = useState<Credentials>();
  if (asksCode)
    return (
      <Gate
        title="One more thing"
        text="Enter the code that your authenticator app shows now. A recovery code does as well."
        button="Sign in"
        submit={async ({ code = '' }) => {
          await tell('/api/v1/login', { body: { ...asksCode, code } });
          await enter();
        }}
        others={
          <Button variant="subtle" fullWidth mt="sm" onClick={() => setAsksCode(undefined)}>
            Back
          </Button>
        }
      >
        <TextInput
          name="code"
          label="Code"
          required
          maxLength={40}
          autoComplete="one-time-code"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
        />
      </Gate>
    );

  async function withPassword({ name = '', password = '' }: Readonly<Record<string, string>>): Promise<void> {
    try {
      await tell('/api/v1/login', { body: { name, password } });
    } catch (refused) {
      if (!(refused instanceof Refused) || refused.code !== 'CONFIRMATION_REQUIRED') throw refused;
      setAsksCode({ name, password });
      return;
    }
    await enter();
  }

  return (
    <Gate
      title="Steward"
      text={
        ways.setUpPending
          ? 'Nobody can sign in yet. Open the set-up link that Steward printed when it started; it also stands in the file setup-link.'
          : 'Sign in to see how everything is.'
      }
      button="Sign in"
      submit={withPassword}
      others={<OtherWays ways={ways} enter={enter} />}
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
      <PasswordInput name="password" label="Password" required autoComplete="current-password" />
    </Gate>
  );
}

/** What does as well as a password. */
function OtherWays({
  ways: { passkey, provider },
  enter,
}: {
  readonly ways: Ways;
  readonly enter: () => Promise<void>;
}) {
  const told = PROBLEMS[/^#sign-in=([a-z-]+)$/.exec(location.hash)?.[1] ?? ''];
  const [problem, setProblem] = useState(told);
  const byPasskey = passkey && knowsPasskeys();

  async function withPasskey(): Promise<void> {
    setProblem(undefined);
    try {
      const { options } = await tell('/api/v1/login/passkey/challenge');
      await tell('/api/v1/login/passkey', { body: { response: await answerWithPasskey(options) } });
    } catch (refused) {
      setProblem(wordsOf(refused));
      return;
    }
    await enter();
  }

  return (
    <Stack gap="xs">
      {(byPasskey || provider !== undefined) && <Divider label="or" mt="md" />}
      {byPasskey && (
        <Button variant="default" onClick={() => void withPasskey()}>
          Sign in with a passkey
        </Button>
      )}
      {provider !== undefined && (
        <Button variant="default" component="a" href="/api/v1/oidc/start">
          Sign in with {provider}
        </Button>
      )}
      {problem !== undefined && (
        <Alert color="red" role="alert" mt="xs">
          {problem}
        </Alert>
      )}
    </Stack>
  );
}
