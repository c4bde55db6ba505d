import { Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { auditSearchOf, type AuditSearch, outcomes } from './search.ts';

/** `2026-11-30T08:15` in the time of whoever looks, as the field of a browser wants it. */
function localOf(instant: string | undefined): string {
  if (instant === undefined) return '';
  const at = new Date(instant);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export function Filters({ search }: { readonly search: AuditSearch }) {
  const navigate = useNavigate({ from: '/audit' });
  const { only, ...asked } = search;
  const kept = only === undefined ? {} : { only };
  return (
    <form
      // What the address says is what the fields show, whichever way it came there.
      key={JSON.stringify(search)}
      onSubmit={(event) => {
        event.preventDefault();
        const typed = Object.fromEntries(new FormData(event.currentTarget));
        void navigate({ search: { ...auditSearchOf(typed), ...kept } });
      }}
    >
      <Group align="flex-end" gap="xs" my="md">
        <TextInput size="xs" name="actor" label="Who" placeholder="ada" defaultValue={asked.actor ?? ''} />
        <TextInput
          size="xs"
          name="action"
          label="What was done"
          placeholder="run. or run.approved"
          defaultValue={asked.action ?? ''}
        />
        <TextInput
          size="xs"
          name="subject"
          label="To what"
          placeholder="run or run:run_0mx2…"
          defaultValue={asked.subject ?? ''}
        />
        <TextInput size="xs" name="from" label="From where" placeholder="127.0.0.1" defaultValue={asked.from ?? ''} />
        <NativeSelect
          size="xs"
          name="outcome"
          label="How it went"
          defaultValue={asked.outcome ?? ''}
          data={[{ value: '', label: 'however' }, ...outcomes]}
        />
        <TextInput size="xs" type="datetime-local" name="since" label="From" defaultValue={localOf(asked.since)} />
        <TextInput size="xs" type="datetime-local" name="until" label="Until" defaultValue={localOf(asked.until)} />
        <Button size="xs" type="submit">
          Look
        </Button>
        {Object.keys(asked).length > 0 && (
          <Button size="xs" variant="default" onClick={() => void navigate({ search: kept })}>
            Everything again
          </Button>
        )}
      </Group>
    </form>
  );
}
