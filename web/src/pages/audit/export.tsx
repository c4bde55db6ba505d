import { Button, Menu } from '@mantine/core';

/** Downloads the period that is looked at, chain included; whoever has it can verify it without Steward. */
export function Export({ since, until }: { readonly since: string | undefined; readonly until: string | undefined }) {
  const addressOf = (format: string): string =>
    `/api/v1/audit-export?${new URLSearchParams({ format, ...(since && { since }), ...(until && { until }) })}`;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button size="xs" variant="default">
          Export…
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{since || until ? 'The period that is shown' : 'Everything'}</Menu.Label>
        <Menu.Item component="a" href={addressOf('jsonl')} download>
          As JSON lines
        </Menu.Item>
        <Menu.Item component="a" href={addressOf('csv')} download>
          As a table (CSV)
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
