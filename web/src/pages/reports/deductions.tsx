import { Text } from '@mantine/core';
import { Card, Row, Section } from '../../parts/card.tsx';

interface Deduction {
  readonly points: number;
  readonly reason: string;
  readonly fix?: string | undefined;
}

/** Each with what mends it, and what that gives back. */
export function Deductions({ deductions }: { readonly deductions: readonly Deduction[] }) {
  return (
    <Section title="What took points away" count={deductions.length}>
      {deductions.length === 0 ? (
        <Text c="dimmed">Nothing.</Text>
      ) : (
        <Card>
          {deductions.map(({ points, reason, fix }) => (
            <Row key={reason}>
              <strong>−{points}</strong>
              <span className="grow">
                {reason}
                {fix !== undefined && (
                  <Text size="sm" c="dimmed">
                    {fix} Gives {points} back.
                  </Text>
                )}
              </span>
            </Row>
          ))}
        </Card>
      )}
    </Section>
  );
}
