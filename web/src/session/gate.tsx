import { Alert, Button, Paper, Stack, Text, Title } from '@mantine/core';
import { type FormEvent, type ReactNode, useState } from 'react';
import { wordsOf } from '../api/refused.ts';
import icon from '../icon.svg';
import classes from './gate.module.css';

interface GateProps {
  readonly title: string;
  readonly text: string;
  readonly button: string;
  /** Gets what was typed, by the names of the fields. */
  readonly submit: (fields: Readonly<Record<string, string>>) => Promise<void>;
  readonly children: ReactNode;
  /** Other ways in, below. */
  readonly others?: ReactNode;
}

/** What stands before everything else: a form that shows why it was refused. */
export function Gate({ title, text, button, submit, children, others }: GateProps) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);

  async function attempt(event: FormEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const fields = Object.fromEntries(
      [...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value)]),
    );
    setBusy(true);
    setProblem(undefined);
    try {
      await submit(fields);
    } catch (refused) {
      setProblem(wordsOf(refused));
    } finally {
      setBusy(false);
    }
  }

  return (
    <main className={classes.gate}>
      <Paper withBorder radius="md" p="xl" className={classes.card}>
        <img src={icon} alt="" width={40} height={40} />
        <Title order={1} size="h3" mt="md">
          {title}
        </Title>
        <Text c="dimmed" mt={4} mb="lg">
          {text}
        </Text>
        <form onSubmit={(event) => void attempt(event)}>
          <Stack>
            {children}
            {problem !== undefined && (
              <Alert color="red" role="alert">
                {problem}
              </Alert>
            )}
            <Button type="submit" loading={busy} fullWidth>
              {button}
            </Button>
          </Stack>
        </form>
        {others}
      </Paper>
    </main>
  );
}
