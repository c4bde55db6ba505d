import { Alert, Button, Group, Modal, Stack, Text } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import type { TellPath } from '../api/client.ts';
import { Refused, wordsOf } from '../api/refused.ts';
import { useAnswer } from '../api/use-answer.ts';
import { Answered } from './answered.tsx';
import { SchemaFields } from './schema-form/fields.tsx';
import type { Schema } from './schema-form/schema.ts';
import { useSchemaForm } from './schema-form/use-schema-form.ts';
import { useCommand } from './use-command.ts';

interface Command {
  readonly name: string;
  readonly summary: string;
  readonly input: Schema;
}

interface CommandFormProps {
  /** The command, as the API calls it: `create-maintenance`. */
  readonly name: string;
  readonly title: string;
  readonly button: string;
  readonly done: string;
  readonly given?: Readonly<Record<string, unknown>>;
  readonly opened: boolean;
  readonly close: () => void;
}

/** A command in a window of its own, with a form made of what it takes. */
export function CommandForm({ opened, close, title, ...props }: CommandFormProps) {
  const commands = useAnswer('/api/v1/commands', {}, { when: opened });
  return (
    <Modal opened={opened} onClose={close} title={title} size="lg" closeButtonProps={{ 'aria-label': 'Close' }}>
      <Answered answer={commands}>
        {(manifest) => {
          const command = (manifest as unknown as { operations: readonly Command[] }).operations.find(
            (each) => each.name === props.name,
          );
          return command ? (
            <Fields {...props} command={command} close={close} />
          ) : (
            <Text>This Steward has no {props.name}.</Text>
          );
        }}
      </Answered>
    </Modal>
  );
}

function Fields({
  command,
  button,
  done,
  given,
  close,
}: Pick<CommandFormProps, 'button' | 'done' | 'given' | 'close'> & { readonly command: Command }) {
  const form = useSchemaForm(command.input, given);
  const send = useCommand(`/api/v1/${command.name}` as TellPath, { done, quiet: true });
  const [problem, setProblem] = useState<string>();

  async function attempt(event: FormEvent): Promise<void> {
    event.preventDefault();
    setProblem(undefined);
    if (!form.attempt()) return;
    try {
      await send.mutateAsync({ body: form.value });
      close();
    } catch (refused) {
      const found = refused instanceof Refused ? refused.problems : [];
      const beside = found.filter(({ path }) => form.has(path));
      form.refuse(beside);
      if (beside.length === 0 || beside.length < found.length) setProblem(wordsOf(refused));
    }
  }

  return (
    <form onSubmit={(event) => void attempt(event)} noValidate>
      <Stack>
        <Text c="dimmed">{command.summary}</Text>
        {problem !== undefined && (
          <Alert color="red" role="alert">
            {problem}
          </Alert>
        )}
        <SchemaFields form={form} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={send.isPending}>
            {button}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
