import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { wordsOf } from '../api/refused.ts';

interface AskProps {
  readonly title: string;
  readonly text?: ReactNode;
  readonly button: string;
  readonly danger?: boolean;
  readonly opened: boolean;
  readonly close: () => void;
  /** Gets what was typed, by the names of the fields. The window closes when it went well. */
  readonly submit: (fields: Readonly<Record<string, string>>) => Promise<unknown>;
  readonly children?: ReactNode;
}

/** Asks in a window of its own, and shows there why it was refused. */
export function Ask({ title, text, button, danger = false, opened, close, submit, children }: AskProps) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function attempt(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const typed = [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)] as const);
    setBusy(true);
    setProblem(undefined);
    try {
      await submit(Object.fromEntries(typed.filter(([, value]) => value !== '')));
      close();
    } catch (refused) {
      setProblem(wordsOf(refused));
    } finally {
      setBusy(false);
    }
  }

  return (
    <Modal opened={opened} onClose={close} title={title} centered>
      <form onSubmit={(event) => void attempt(event)}>
        <Stack>
          {text !== undefined && <Text c="dimmed">{text}</Text>}
          {children}
          {problem !== undefined && (
            <Alert color="red" role="alert">
              {problem}
            </Alert>
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} {...(danger && { color: 'red' })}>
              {button}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
