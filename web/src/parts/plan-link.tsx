import { Button, type ButtonProps } from '@mantine/core';
import { Link } from '@tanstack/react-router';

interface PlanLinkProps extends Pick<ButtonProps, 'size' | 'color'> {
  readonly automation: string;
  readonly input: Readonly<Record<string, unknown>>;
  readonly children: string;
  readonly primary?: boolean;
}

/** Leads to where an automation is planned first and then applied, with this much filled in. */
export function PlanLink({ automation, input, children, primary = false, ...looks }: PlanLinkProps) {
  return (
    <Button
      {...looks}
      variant={primary ? 'filled' : 'default'}
      renderRoot={(props) => (
        <Link to="/automations/$name" params={{ name: automation }} search={{ input }} {...props} />
      )}
    >
      {children}
    </Button>
  );
}
