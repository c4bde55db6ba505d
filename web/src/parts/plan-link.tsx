import { Button, type ButtonProps } from '@mantine/core';
import { Link } from '@tanstack/react-router';

interface PlanLinkProps extends Pick<ButtonProps, 'size'> {
  readonly automation: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly children: string;
  readonly primary?: boolean;
  /** It destroys. */
  readonly danger?: boolean;
}

/** Leads to where an automation is planned first and then applied, with this much filled in. */
export function PlanLink({ automation, input, children, primary = false, danger = false, ...looks }: PlanLinkProps) {
  return (
    <Button
      {...looks}
      variant={danger ? 'outline' : primary ? 'filled' : 'default'}
      {...(danger && { color: 'var(--bad)' })}
      renderRoot={(props) => (
        <Link to="/automations/$name" params={{ name: automation }} search={{ input }} {...props} />
      )}
    >
      {children}
    </Button>
  );
}
