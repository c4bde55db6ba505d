import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { type FormEvent, type ReactNode, useRef, useState } from 'react';
import { wordsOf } from '../api/refused.ts';

/** What was typed, by the names of the fields; what was left empty is not there. */
export type Fields = Readonly<Record<string, string>>;

interface Alternative {
  readonly label: string;
  /** Fields that may stay empty this way. */
  readonly without: readonly string[];
  readonly submit: (fields: Fields) => Promise<unknown>;
}

interface AskProps {
  readonly title: string;
  readonly text?: ReactNode;
  /** Undefined where the alternative is the only way. */
  readonly button: string | undefined;
  readonly danger?: boolean;
  readonly opened: boolean;
  readonly close: () => void;
  /** The window closes when it went well. */
  readonly submit: (fields: Fields) => Promise<unknown>;
  /** Another way to the same end. */
  readonly alternative?: Alternative | undefined;
  readonly children?: ReactNode;
}

/** Asks in a window of its own, and shows there why it was refused. */
export function Ask({ title, text, button, danger = false, opened, close, submit, alternative, children }: AskProps) {
  const form = useRef<HTMLFormElement>(null);
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const color = danger ? { color: 'red' } : {};

  async function attempt(act: (fields: Fields) => Promise<unknown>): Promise<void> {
    if (!form.current) return;
    const typed = [...new FormData(form.current)].map(([name, value]) => [name, String(value)] as const);
    setBusy(true);
    setProblem(undefined);
    try {
      await act(Object.fromEntries(typed.filter(([, value]) => value !== '')));
      close();
    } catch (refused) {
      setProblem(wordsOf(refused));
    } finally {
      setBusy(false);
    }
  }

  async function attemptOtherwise({ without, submit: act }: Alternative): Promise<void> {
    const fields = [...(form.current?.elements ?? [])].filter((field) => field instanceof HTMLInputElement);
    if (fields.every((field) => without.includes(field.name) || field.reportValidity())) await attempt(act);
  }

  return (
    <Modal
      opened={opened}
      onClose={close}
      onExitTransitionEnd={() => setProblem(undefined)}
      title={title}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
    >
      <form
        ref={form}
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          void attempt(button === undefined && alternative ? alternative.submit : submit);
        }}
      >
        <Stack>
          {text !== undefined && (
            <Text c="dimmed" component="div">
              {text}
            </Text>
          )}
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
            {alternative && (
              <Button
                {...color}
                {...(button !== undefined && { variant: 'default' })}
                loading={busy}
                onClick={() => void attemptOtherwise(alternative)}
              >
                {alternative.label}
              </Button>
            )}
            {button !== undefined && (
              <Button type="submit" loading={busy} {...color}>
                {button}
              </Button>
            )}
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
