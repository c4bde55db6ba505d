import { Button, Code, CopyButton, Group, Modal, NativeSelect, Stack, Switch, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import { useSession } from '../session/session.tsx';
import { Ask } from './ask.tsx';
import { useCommand } from './use-command.ts';
import { HERE } from './zone.ts';

interface Address {
  readonly url: string;
  readonly curl: string;
}

interface PingAddressProps {
  readonly name: string;
  readonly address: Address | undefined;
  readonly close: () => void;
}

/** The address that a job tells of itself at. It is shown once. */
export function PingAddress({ name, address, close }: PingAddressProps) {
  return (
    <Modal opened={address !== undefined} onClose={close} title={`The address of ${name}`} centered size="lg">
      {address && (
        <Stack>
          <Text>Whoever knows it can speak for the job. It is shown this once.</Text>
          <Copied label="Address" text={address.url} />
          <Copied label="For the end of the line in the crontab" text={address.curl} />
        </Stack>
      )}
    </Modal>
  );
}

function Copied({ label, text }: { readonly label: string; readonly text: string }) {
  return (
    <div>
      <Group justify="space-between" mb={4}>
        <Text size="sm" fw={550}>
          {label}
        </Text>
        <CopyButton value={text}>
          {({ copied, copy }) => (
            <Button size="compact-sm" variant="default" onClick={copy} aria-label={`Copy: ${label}`}>
              {copied ? 'Copied' : 'Copy'}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Code block>{text}</Code>
    </div>
  );
}

const RHYTHMS = {
  every: { label: 'at least once within', example: '1d' },
  cron: { label: 'at these times (cron)', example: '30 2 * * *' },
  onCalendar: { label: 'at these times (calendar)', example: 'Mon..Fri 09:00' },
} as const;
type Rhythm = keyof typeof RHYTHMS;

/** Makes a heartbeat, and shows the address that its job has to call. */
export function CreateHeartbeat() {
  const { me, may } = useSession();
  const [opened, { open, close }] = useDisclosure();
  const [rhythm, setRhythm] = useState<Rhythm>('every');
  const [critical, setCritical] = useState(false);
  const [made, setMade] = useState<Address & { readonly name: string }>();
  const create = useCommand('/api/v1/create-heartbeat', { quiet: true });
  if (!may('operate') || me.role === 'agent') return undefined;
  return (
    <>
      <Button onClick={open}>Create a heartbeat…</Button>
      <Ask
        title="Create a heartbeat"
        text="A job outside Steward is expected to call an address. When it stays away, it is an incident."
        button="Create"
        opened={opened}
        close={close}
        submit={async ({ name = '', expected, zone, grace }) =>
          setMade(
            await create.mutateAsync({
              body: {
                name,
                [rhythm]: expected,
                ...(rhythm !== 'every' && zone && { zone }),
                ...(grace && { grace }),
                ...(critical && { critical }),
              },
            }),
          )
        }
      >
        <TextInput name="name" label="What the job is called" required maxLength={100} autoCapitalize="none" />
        <NativeSelect
          label="It is expected"
          value={rhythm}
          onChange={(event) => setRhythm(event.currentTarget.value as Rhythm)}
          data={Object.entries(RHYTHMS).map(([value, { label }]) => ({ value, label }))}
        />
        <TextInput
          name="expected"
          label={rhythm === 'every' ? 'Time' : 'Times'}
          placeholder={RHYTHMS[rhythm].example}
          required
          autoCapitalize="none"
          spellCheck={false}
        />
        {rhythm !== 'every' && <TextInput name="zone" label="Time zone" defaultValue={HERE} spellCheck={false} />}
        <TextInput name="grace" label="How much later it may be" placeholder="1h" spellCheck={false} />
        <Switch
          label="It is critical: alerts about it are not held back"
          checked={critical}
          onChange={(event) => setCritical(event.currentTarget.checked)}
        />
      </Ask>
      <PingAddress name={made?.name ?? ''} address={made} close={() => setMade(undefined)} />
    </>
  );
}
