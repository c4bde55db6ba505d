import { Button, NativeSelect, Switch, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import type { Told200 } from '../../api/client.ts';
import { Ask, type Fields } from '../../parts/ask.tsx';
import { ShownOnce } from '../../parts/shown-once.tsx';
import { useCommand } from '../../parts/use-command.ts';

type Invited = Told200<'/api/v1/invite-place'>;

export function Invite() {
  const [opened, { open, close }] = useDisclosure();
  const { invited, ask, done } = useInvitation();
  return (
    <>
      <Button onClick={open}>Invite a place…</Button>
      <Ask
        title="Invite a place"
        text="Another machine looks at services, too. It needs no way in: everything goes out from there."
        button="Invite"
        opened={opened}
        close={close}
        submit={({ name = '', ...more }) => ask(name, more)}
      >
        <TextInput
          name="name"
          label="What the place is called"
          placeholder="paris"
          required
          maxLength={63}
          pattern="[a-zA-Z0-9][a-zA-Z0-9._\-]*"
          title="Letters, digits, dots, - and _"
          autoCapitalize="none"
          spellCheck={false}
        />
        <HowLong />
      </Ask>
      <Command invited={invited} done={done} />
    </>
  );
}

/** The machine is another, or lost what it had. */
export function InviteAnew({ name }: { readonly name: string }) {
  const [opened, { open, close }] = useDisclosure();
  const { invited, ask, done } = useInvitation();
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={open} aria-label={`Invite anew… (${name})`}>
        Invite anew…
      </Button>
      <Ask
        title={`Invite ${name} anew?`}
        text="The token that it has is of no use from now on: what it sees counts again when it has joined once more."
        button="Invite"
        opened={opened}
        close={close}
        submit={(more) => ask(name, more)}
      >
        <HowLong />
      </Ask>
      <Command invited={invited} done={done} />
    </>
  );
}

function HowLong() {
  return (
    <>
      <NativeSelect
        name="expires"
        label="The invitation lasts"
        defaultValue="1d"
        data={[
          { value: '10m', label: 'ten minutes' },
          { value: '1h', label: 'an hour' },
          { value: '1d', label: 'a day' },
          { value: '7d', label: 'a week' },
        ]}
      />
      <Switch
        name="direct"
        label="It is a worker or a script"
        description="It cannot use an invitation, and gets its token at once"
      />
    </>
  );
}

function useInvitation() {
  const [invited, setInvited] = useState<Invited & { readonly direct: boolean }>();
  const invite = useCommand('/api/v1/invite-place', { quiet: true });
  return {
    invited,
    ask: async (name: string, { expires = '1d', direct: worker }: Fields): Promise<void> => {
      const direct = worker !== undefined;
      setInvited({ ...(await invite.mutateAsync({ body: { name, expires, direct } })), direct });
    },
    done: () => setInvited(undefined),
  };
}

interface CommandProps {
  readonly invited: (Invited & { readonly direct: boolean }) | undefined;
  readonly done: () => void;
}

function Command({ invited, done }: CommandProps) {
  const { name = '', direct = false, expiresAt, token, command, note } = invited ?? {};
  return (
    <ShownOnce
      title={direct ? `The token of ${name}` : `Run this on ${name}`}
      text={
        <>
          {direct
            ? 'It is shown once. It can post what is seen there, and opens nothing else.'
            : `It works once${expiresAt === undefined ? '' : `, until ${new Date(expiresAt).toLocaleString()}`}. Keep it running with a supervisor of that machine.`}{' '}
          {note}
        </>
      }
      secret={invited && (direct ? token : command)}
      done={done}
    />
  );
}
