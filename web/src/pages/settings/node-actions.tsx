import { Button, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import type { Answer } from '../../api/client.ts';
import { Ask } from '../../parts/ask.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';

type Node = Answer<'/api/v1/registry-nodes'>['items'][number];
interface Of {
  readonly node: Node;
}

export function NodeActions({ node }: Of) {
  const { may, me } = useSession();
  return (
    <>
      {may('operate') && me.role !== 'agent' && (node.draining ? <Resume node={node} /> : <Drain node={node} />)}
      {may('administer') && <Label node={node} />}
      {may('administer') && node.state !== 'alive' && <Remove node={node} />}
    </>
  );
}

function Resume({ node: { id, name } }: Of) {
  const resume = useCommand('/api/v1/node-resume', { done: `${name} takes work again.` });
  return (
    <Button
      variant="default"
      size="xs"
      aria-label={`Resume ${name}`}
      loading={resume.isPending}
      onClick={() => resume.mutate({ body: { node: id } })}
    >
      Resume
    </Button>
  );
}

function Drain({ node: { id, name } }: Of) {
  const [opened, { open, close }] = useDisclosure();
  const drain = useCommand('/api/v1/node-drain', { quiet: true, done: `${name} takes no new work.` });
  return (
    <>
      <Button variant="default" size="xs" aria-label={`Drain ${name}…`} onClick={open}>
        Drain…
      </Button>
      <Ask
        title={`Drain ${name}?`}
        text="It takes no new work and ends what runs there. Its own machine is still watched and healed."
        button="Drain"
        opened={opened}
        close={close}
        submit={() => drain.mutateAsync({ body: { node: id } })}
      />
    </>
  );
}

function Label({ node: { id, name } }: Of) {
  const [opened, { open, close }] = useDisclosure();
  const label = useCommand('/api/v1/node-label', { quiet: true, done: `${name} is labelled.` });
  return (
    <>
      <Button variant="default" size="xs" aria-label={`Label ${name}…`} onClick={open}>
        Label…
      </Button>
      <Ask
        title={`Label ${name}`}
        text="Runs can be placed by it. An empty value takes the label away."
        button="Save"
        opened={opened}
        close={close}
        submit={({ key = '', value = '' }) => label.mutateAsync({ body: { node: id, label: `${key}=${value}` } })}
      >
        <TextInput name="key" label="Label" placeholder="zone" required autoCapitalize="none" spellCheck={false} />
        <TextInput name="value" label="Value" placeholder="eu-1" autoCapitalize="none" spellCheck={false} />
      </Ask>
    </>
  );
}

function Remove({ node: { id, name } }: Of) {
  const [opened, { open, close }] = useDisclosure();
  const remove = useCommand('/api/v1/node-remove', { quiet: true, done: `${name} is forgotten.` });
  return (
    <>
      <Button variant="default" size="xs" aria-label={`Remove ${name}…`} onClick={open}>
        Remove…
      </Button>
      <Ask
        title={`Remove ${name}?`}
        text="Its services are gone from here, and what waited for it expires."
        button="Remove"
        danger
        opened={opened}
        close={close}
        submit={() => remove.mutateAsync({ body: { node: id } })}
      />
    </>
  );
}
