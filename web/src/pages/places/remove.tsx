import { Button, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { useAnswer } from '../../api/use-answer.ts';
import { Answered } from '../../parts/answered.tsx';
import { Ask } from '../../parts/ask.tsx';
import { useCommand } from '../../parts/use-command.ts';

/** Shows who is left to look at what it looks at, and removes it then. */
export function Remove({ name }: { readonly name: string }) {
  const [opened, { open, close }] = useDisclosure();
  const remove = useCommand('/api/v1/remove-place', { done: `${name} is removed.`, quiet: true });
  const removal = useAnswer('/api/v1/place-removal', { query: { name } }, { when: opened });
  return (
    <>
      <Button size="compact-sm" variant="default" onClick={open} aria-label={`Remove… (${name})`}>
        Remove…
      </Button>
      <Ask
        title={`Remove ${name}?`}
        text="Its token is of no use any more, and nothing is expected of it. What it saw is kept as long as other results."
        button={removal.data && 'Remove'}
        danger
        opened={opened}
        close={close}
        submit={() => remove.mutateAsync({ body: { name } })}
      >
        <Answered answer={removal} lines={2}>
          {({ items }) =>
            items.length === 0 ? (
              <Text>It looks at nothing, so no check changes.</Text>
            ) : (
              <div>
                <Text fw={550}>Without it</Text>
                <ul>
                  {items.map(({ service, check, kind, text }) => (
                    <li key={check}>
                      <strong>{service}</strong> {kind}: {text}
                    </li>
                  ))}
                </ul>
              </div>
            )
          }
        </Answered>
      </Ask>
    </>
  );
}
