import { Text } from '@mantine/core';
import type { ReactNode } from 'react';
import classes from './steps.module.css';
import type { Tone } from './tone.ts';

interface Step {
  readonly id: string;
  readonly title: string;
  readonly branch?: string | undefined;
}

interface StepsProps<S extends Step> {
  readonly steps: readonly S[];
  readonly toneOf: (step: S) => Tone;
  readonly children: (step: S) => ReactNode;
}

const FOR_ALL = 'onError';
const FOR_ONE = 'onError of ';

/** The steps of a chain one under the other; what runs where one fails hangs on it. */
export function Steps<S extends Step>({ steps, toneOf, children }: StepsProps<S>) {
  const list = (shown: readonly S[]): ReactNode => (
    <ol className={classes.steps}>
      {shown.map((step) => {
        const onError = steps.filter(({ branch }) => branch === `${FOR_ONE}${step.id}`);
        return (
          <li key={step.id} data-tone={toneOf(step)}>
            {children(step)}
            {onError.length > 0 && (
              <div className={classes.branch}>
                <Text size="sm" c="dimmed">
                  If it fails
                </Text>
                {list(onError)}
              </div>
            )}
          </li>
        );
      })}
    </ol>
  );
  const whole = steps.filter(({ branch }) => branch === FOR_ALL);
  return (
    <>
      {list(steps.filter(({ branch }) => branch === undefined))}
      {whole.length > 0 && (
        <div className={classes.branch}>
          <Text size="sm" c="dimmed">
            If any of them fails
          </Text>
          {list(whole)}
        </div>
      )}
    </>
  );
}
