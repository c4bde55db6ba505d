import { Button, Menu, Switch, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useState } from 'react';
import type { Told200 } from '../../api/client.ts';
import { Ask } from '../../parts/ask.tsx';
import { useCommand } from '../../parts/use-command.ts';
import { useSession } from '../../session/session.tsx';
import type { Endpoint } from './endpoint.ts';
import { SigningSecret } from './signing-secret.tsx';

/** What can be done about an endpoint. */
export function More({ endpoint: { name, state, origin, missed, failed, waiting } }: { readonly endpoint: Endpoint }) {
  const { may } = useSession();
  const [rotated, setRotated] = useState<Told200<'/api/v1/rotate-webhook-endpoint-secret'>>();
  const [enabling, enabled] = useDisclosure();
  const [disabling, disabled] = useDisclosure();
  const [replaying, replayed] = useDisclosure();
  const [rotating, rotation] = useDisclosure();
  const [removing, removal] = useDisclosure();
  const enable = useCommand('/api/v1/enable-webhook-endpoint', { done: `${name} is sent to again.`, quiet: true });
  const disable = useCommand('/api/v1/disable-webhook-endpoint', { done: `Nothing is sent to ${name}.`, quiet: true });
  const replay = useCommand('/api/v1/replay-webhook-deliveries', {
    done: 'Those for which there was room are on their way.',
    quiet: true,
  });
  const rotate = useCommand('/api/v1/rotate-webhook-endpoint-secret', { quiet: true });
  const remove = useCommand('/api/v1/remove-webhook-endpoint', { done: `${name} is removed.`, quiet: true });
  const own = origin === 'made' && may('administer');
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button size="compact-sm" variant="default" aria-label={`More about ${name}`}>
            More
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {state === 'disabled' && <Menu.Item onClick={enabled.open}>Enable…</Menu.Item>}
          {state === 'enabled' && <Menu.Item onClick={disabled.open}>Disable…</Menu.Item>}
          {state === 'enabled' && missed + failed > 0 && <Menu.Item onClick={replayed.open}>Send again…</Menu.Item>}
          {own && <Menu.Item onClick={rotation.open}>New secret…</Menu.Item>}
          {own && <Menu.Item onClick={removal.open}>Remove…</Menu.Item>}
        </Menu.Dropdown>
      </Menu>
      <Ask
        title={`Enable ${name}?`}
        text={missed > 0 ? `It missed ${missed} while it was disabled.` : 'It missed nothing.'}
        button="Enable"
        opened={enabling}
        close={enabled.close}
        submit={({ replay: also }) => enable.mutateAsync({ body: { name, replay: also !== undefined } })}
      >
        {missed > 0 && <Switch name="replay" label="Send what it missed, in its order" defaultChecked />}
      </Ask>
      <Ask
        title={`Disable ${name}?`}
        text="What comes until it is enabled is kept as missed."
        button="Disable"
        opened={disabling}
        close={disabled.close}
        submit={({ reason = '' }) => disable.mutateAsync({ body: { name, reason } })}
      >
        <TextInput name="reason" label="Why" required maxLength={500} />
      </Ask>
      <Ask
        title={`Send again to ${name}?`}
        text={`${missed + failed} deliveries, in their order and under their ids: a receiver that remembers ids takes none twice.`}
        button="Send again"
        opened={replaying}
        close={replayed.close}
        submit={() => replay.mutateAsync({ body: { endpoint: name, states: ['failed', 'missed'] } })}
      />
      <Ask
        title={`A new secret for ${name}?`}
        text="For 24 hours the one before signs, too: until then its receiver has to verify with the new one."
        button="Give it a new secret"
        opened={rotating}
        close={rotation.close}
        submit={async () => setRotated(await rotate.mutateAsync({ body: { name, keepOld: '24h' } }))}
      />
      <Ask
        title={`Remove ${name}?`}
        text={waiting > 0 ? `${waiting} deliveries wait, and are not sent.` : 'Nothing is sent there any more.'}
        button="Remove"
        danger
        opened={removing}
        close={removal.close}
        submit={() => remove.mutateAsync({ body: { name } })}
      />
      <SigningSecret endpoint={rotated} done={() => setRotated(undefined)} />
    </>
  );
}
