import { PasswordInput, Text } from '@mantine/core';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Card, Row, Section } from '../../parts/card.tsx';
import { Page } from '../../parts/page.tsx';
import { Proven } from '../../parts/proven.tsx';
import { useCommand } from '../../parts/use-command.ts';
import type { Account as OwnAccount } from '../../session/proof.ts';
import { useSession } from '../../session/session.tsx';
import { AuthenticatorPart } from './authenticator.tsx';
import { PasskeyPart } from './passkey-part.tsx';
import { OwnSessions } from './session-rows.tsx';
import { TokenRow } from './token-row.tsx';

/** How somebody signs in, and what acts in their name. */
export function Account() {
  const { me, may } = useSession();
  const answer = useAnswer('/api/v1/account');
  return (
    <Page title="Your account" about={`${me.name}, ${me.role}`}>
      <Answered answer={answer}>
        {({ account }) =>
          account === undefined ? (
            <Text mt="md">A token is at work here, not a person: it has no password and no sessions.</Text>
          ) : (
            <>
              <PasswordPart account={account} />
              <AuthenticatorPart account={account} />
              <PasskeyPart account={account} />
              <OwnSessions name={account.name} />
              {may('operate') && <OwnTokens name={account.name} />}
            </>
          )
        }
      </Answered>
    </Page>
  );
}

function PasswordPart({ account }: { readonly account: OwnAccount }) {
  const change = useCommand('/api/v1/change-password', {
    done: 'Your password is another now. You are signed out everywhere else.',
    quiet: true,
  });
  return (
    <Section title="Password">
      <Card>
        <Row>
          <Text c="dimmed" className="grow">
            {account.password
              ? 'Long beats complicated: a few words that belong together to nobody but you.'
              : 'Your identity provider keeps it; none is stored here.'}
          </Text>
          {account.password && (
            <Proven
              label="Change…"
              describedAs="Change your password…"
              title="Change your password"
              text="You stay signed in here, and are signed out everywhere else."
              button="Change"
              purpose={`change-password:${account.id}`}
              act={({ next = '' }, proof) => change.mutateAsync({ body: { password: next, ...(proof && { proof }) } })}
            >
              <PasswordInput
                name="next"
                label="New password"
                description="At least 10 characters"
                required
                minLength={10}
                maxLength={200}
                autoComplete="new-password"
              />
            </Proven>
          )}
        </Row>
      </Card>
    </Section>
  );
}

function OwnTokens({ name }: { readonly name: string }) {
  const tokens = useAnswer('/api/v1/tokens').data?.items ?? [];
  const own = tokens.filter(({ revokedAt, createdBy }) => revokedAt === undefined && createdBy === name);
  if (own.length === 0) return undefined;
  return (
    <Section title="Tokens you made" count={own.length}>
      <Card>
        {own.map((token) => (
          <TokenRow key={token.id} token={token} />
        ))}
      </Card>
    </Section>
  );
}
