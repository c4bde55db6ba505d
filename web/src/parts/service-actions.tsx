import { Button, Menu } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import type { Answer } from '../api/client.ts';
import { useAnswer } from '../api/use-answer.ts';
import { useSession } from '../session/session.tsx';
import { Ask } from './ask.tsx';
import { CommandForm } from './command-form.tsx';
import type { Schema } from './schema-form/schema.ts';
import { isDatabase } from './schema-form/use-names.ts';
import { useCommand } from './use-command.ts';

type Service = Answer<'/api/v1/services/{id}'>;

/** What a person may want done about a service. What changes the machine leads to its plan. */
export function ServiceActions({ service }: { readonly service: Service }) {
  const { me, may } = useSession();
  const [maintenance, openMaintenance] = useDisclosure();
  const [ignoring, openIgnoring] = useDisclosure();
  const probe = useCommand('/api/v1/probe-service', { done: `Probed: ${service.name}` });
  const adopt = useCommand('/api/v1/adopt-service', { done: `Adopted: ${service.name}` });
  const ignore = useCommand('/api/v1/ignore-service', { done: `Ignored: ${service.name}`, quiet: true });
  const names = useAnswer('/api/v1/services').data ?? [];
  // Two that are called alike are told apart by their ids.
  const name = names.filter((each) => each.name === service.name).length > 1 ? service.id : service.name;
  if (!may('operate') || me.role === 'agent') return undefined;
  return (
    <>
      <Button
        variant="default"
        renderRoot={(props) => (
          <Link
            to="/automations/$name"
            params={{ name: 'restart-service' }}
            search={{ input: { service: name } }}
            {...props}
          />
        )}
      >
        Restart…
      </Button>
      <Button
        variant="default"
        loading={probe.isPending}
        onClick={() => probe.mutate({ body: { service: service.id } })}
      >
        Probe now
      </Button>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default">More</Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={openMaintenance.open}>Open maintenance…</Menu.Item>
          {service.adoption !== 'adopted' && (
            <Menu.Item onClick={() => adopt.mutate({ body: { id: service.id } })}>Adopt</Menu.Item>
          )}
          {service.adoption !== 'ignored' && <Menu.Item onClick={openIgnoring.open}>Ignore…</Menu.Item>}
          <Fitting service={service} name={name} />
        </Menu.Dropdown>
      </Menu>
      <CommandForm
        name="create-maintenance"
        title={`Maintenance of ${service.name}`}
        button="Open it"
        done="The maintenance window is there."
        given={{ services: [name], for: '1h' }}
        opened={maintenance}
        close={openMaintenance.close}
      />
      <Ask
        title={`Ignore ${service.name}?`}
        text="Steward watches it no longer and does nothing about it, until somebody adopts it."
        button="Ignore"
        opened={ignoring}
        close={openIgnoring.close}
        submit={() => ignore.mutateAsync({ body: { id: service.id } })}
      />
    </>
  );
}

/** The automations that work on one service, as their inputs say. */
function Fitting({ service, name }: { readonly service: Service; readonly name: string }) {
  const automations = useAnswer('/api/v1/automations').data?.items ?? [];
  const fitting = automations.flatMap((automation) => {
    const named = ((automation.input as Schema).properties ?? {})['service']?.['x-names'];
    const fits = named === 'service' || (named === 'database' && isDatabase(service));
    return fits && automation.name !== 'restart-service' ? [automation] : [];
  });
  if (fitting.length === 0) return undefined;
  return (
    <>
      <Menu.Divider />
      {fitting.map((automation) => (
        <Menu.Item
          key={automation.name}
          renderRoot={(props) => (
            <Link
              to="/automations/$name"
              params={{ name: automation.name }}
              search={{ input: { service: name } }}
              {...props}
            />
          )}
        >
          {automation.title}…
        </Menu.Item>
      ))}
    </>
  );
}
