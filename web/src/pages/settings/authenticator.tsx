import { Anchor, Code, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { Told200 } from '../../api/client.ts';
import { Ask } from '../../parts/ask.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Proven } from '../../parts/proven.tsx';
import { ShownOnce } from '../../parts/shown-once.tsx';
import { State } from '../../parts/state.tsx';
import { useCommand } from '../../parts/use-command.ts';
import type { Account } from '../../session/proof.ts';
import { QrCode } from './qr-code.tsx';

type Enrolled = Told200<'/api/v1/enroll-authenticator'>;

/** The second factor: off until a code of it was entered once. */
export function AuthenticatorPart({ account }: { readonly account: Account }) {
  const [enrolled, setEnrolled] = useState<Enrolled>();
  const [codes, setCodes] = useState<readonly string[]>();
  const enroll = useCommand('/api/v1/enroll-authenticator', { quiet: true });
  const confirm = useCommand('/api/v1/confirm-authenticator', { quiet: true });
  const renew = useCommand('/api/v1/renew-recovery-codes', { quiet: true });
  const remove = useCommand('/api/v1/remove-authenticator', { quiet: true, done: 'A password alone lets you in now.' });
  const left = account.recoveryCodes;

  return (
    <Section title="Authenticator app">
      <Card>
        <Row>
          <div className="grow">
            <State word={account.authenticator ? 'on' : 'off'} tone={account.authenticator ? 'good' : 'calm'} />{' '}
            <Text span c="dimmed">
              {account.authenticator
                ? `${left} recovery ${left === 1 ? 'code is' : 'codes are'} left.`
                : 'With one, a password alone lets nobody in.'}
            </Text>
          </div>
          {account.authenticator ? (
            <>
              <Proven
                label="New recovery codes…"
                title="New recovery codes"
                text="The old ones are void from then on."
                button="Make them"
                purpose={`renew-recovery-codes:${account.id}`}
                act={async (_fields, proof) =>
                  setCodes((await renew.mutateAsync({ body: { ...(proof && { proof }) } })).recoveryCodes)
                }
              />
              <Proven
                label="Remove…"
                describedAs="Remove the authenticator app…"
                title="Remove the authenticator app?"
                text="Your recovery codes are void with it."
                button="Remove"
                danger
                purpose={`remove-authenticator:${account.id}`}
                act={(_fields, proof) => remove.mutateAsync({ body: { ...(proof && { proof }) } })}
              />
            </>
          ) : (
            <Proven
              label="Set up…"
              describedAs="Set up an authenticator app…"
              title="Set up an authenticator app"
              button="Go on"
              purpose={`enroll-authenticator:${account.id}`}
              act={async (_fields, proof) =>
                setEnrolled(await enroll.mutateAsync({ body: { ...(proof && { proof }) } }))
              }
            />
          )}
        </Row>
      </Card>
      <Ask
        title="Add Steward to the app"
        text={enrolled && <HowToAdd enrolled={enrolled} />}
        button="Turn it on"
        opened={enrolled !== undefined}
        close={() => setEnrolled(undefined)}
        submit={async ({ code = '' }) => setCodes((await confirm.mutateAsync({ body: { code } })).recoveryCodes)}
      >
        <TextInput
          name="code"
          label="Code that the app shows"
          required
          maxLength={20}
          autoComplete="one-time-code"
          inputMode="numeric"
          spellCheck={false}
        />
      </Ask>
      <ShownOnce
        title="Your recovery codes"
        text="Each lets you in once without the app. Keep them where the phone is not; they are not shown again."
        secret={codes?.join('\n')}
        done={() => setCodes(undefined)}
      />
    </Section>
  );
}

function HowToAdd({ enrolled: { secret, uri, qr } }: { readonly enrolled: Enrolled }) {
  return (
    <>
      Scan this with the app, type the key into it, or <Anchor href={uri}>open it on this device</Anchor>. Then enter
      the code it shows.
      <QrCode rows={qr} />
      <Code block>{secret.match(/.{1,4}/g)?.join(' ')}</Code>
    </>
  );
}
