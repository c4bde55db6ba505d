import { Group, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './card.module.css';

interface SectionProps {
  readonly title: string;
  readonly count?: string | number | undefined;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** A part of a page under a heading of its own. */
export function Section({ title, count, actions, children }: SectionProps) {
  return (
    <section className={classes.section}>
      <Group justify="space-between" mb="xs" mih={32}>
        <Title order={2} size="h5">
          {title}
          {count !== undefined && <span className={classes.count}>{count}</span>}
        </Title>
        {actions}
      </Group>
      {children}
    </section>
  );
}

export function Card({ children, tone }: { readonly children: ReactNode; readonly tone?: 'bad' | 'warn' | undefined }) {
  return (
    <div className={classes.card} data-tone={tone}>
      {children}
    </div>
  );
}

/** One line of a card that leads somewhere or says something. */
export function Row({ children }: { readonly children: ReactNode }) {
  return <div className={classes.row}>{children}</div>;
}
