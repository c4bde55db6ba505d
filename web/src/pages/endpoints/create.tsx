import { Button, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import type { Told200 } from '../../api/client.ts';
import { Ask, type Fields } from '../../parts/ask.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { SigningSecret } from './signing-secret.tsx';

const listOf = (text = ''): string[] => text.split(/[\s,]+/).filter(Boolean);

export function CreateEndpoint() {
  const [opened, { open, close }] = useDisclosure();
  const [made, setMade] = useState<Told200<'/api/v1/create-webhook-endpoint'>>();
  const create = useCommand('/api/v1/create-webhook-endpoint', { quiet: true });

  async function submit({ name = '', address = '', events, services, labels }: Fields): Promise<void> {
    const body = { name, address, events: listOf(events), services: listOf(services), labels: listOf(labels) };
    setMade(await create.mutateAsync({ body }));
  }

  return (
    <>
      <Button onClick={open}>Create an endpoint…</Button>
      <Ask title="Create an endpoint" button="Create" opened={opened} close={close} submit={submit}>
        <TextInput name="name" label="Name" placeholder="tickets" required maxLength={63} />
        <TextInput
          name="address"
          label="Address"
          description="On this machine or in a private network only what steward.yaml allows"
          placeholder="https://tickets.example.org/hooks/steward"
          type="url"
          required
        />
        <TextInput
          name="events"
          label="Events"
          description="Types, * for any part"
          defaultValue="incident.*"
          placeholder="incident.* run.failed"
          required
        />
        <TextInput name="services" label="Only these services" description="Names, * for any part. Empty: all" />
        <TextInput
          name="labels"
          label="Only services with these labels"
          description="All of them"
          placeholder="team=web"
        />
      </Ask>
      <SigningSecret endpoint={made} done={() => setMade(undefined)} />
    </>
  );
}
