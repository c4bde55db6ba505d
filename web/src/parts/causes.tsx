import { Stack, Text } from '@mantine/core';
import { Card, Section } from './card.tsx';
import { type Change, ChangeRow } from './change-row.tsx';

/** What an incident may be because of, as it was kept when it began: guesses by rules, and what changed in the hour before. */
export function Causes({ evidence }: { readonly evidence: unknown }) {
  const { hypotheses, changed } = (evidence ?? {}) as { readonly hypotheses?: unknown; readonly changed?: unknown };
  const guesses = (listOf(hypotheses) as readonly Guess[]).filter(({ statement }) => typeof statement === 'string');
  const changes = (listOf(changed) as readonly Change[]).filter(
    ({ title, at }) => typeof title === 'string' && typeof at === 'string',
  );
  return (
    <>
      {guesses.length > 0 && (
        <Section title="What it may be because of">
          <Card>
            <Stack gap="sm" p="md">
              {guesses.map(({ statement, for: pro, against }) => (
                <div key={statement}>
                  <strong>{statement}</strong>
                  {listOf(pro)
                    .map(String)
                    .map((text) => (
                      <Text key={text} size="sm">
                        For it: {text}
                      </Text>
                    ))}
                  {listOf(against)
                    .map(String)
                    .map((text) => (
                      <Text key={text} size="sm" c="dimmed">
                        Against it: {text}
                      </Text>
                    ))}
                </div>
              ))}
            </Stack>
          </Card>
        </Section>
      )}
      {changes.length > 0 && (
        <Section title="What changed in the hour before" count={changes.length}>
          <Card>
            {changes.toReversed().map((change) => (
              <ChangeRow key={`${change.at} ${change.title} ${change.runId ?? ''}`} change={change} />
            ))}
          </Card>
        </Section>
      )}
    </>
  );
}

interface Guess {
  readonly statement: string;
  readonly for: unknown;
  readonly against: unknown;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
