import { Button, Code, CopyButton, Group, Modal, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';

interface ShownOnceProps {
  readonly title: string;
  readonly text: ReactNode;
  /** Undefined while there is nothing to show. */
  readonly secret: string | undefined;
  readonly done: () => void;
}

/** What the server tells once and never again: it goes when the person says that it was kept, not by a slip. */
export function ShownOnce({ title, text, secret, done }: ShownOnceProps) {
  return (
    <Modal
      opened={secret !== undefined}
      onClose={done}
      title={title}
      centered
      withCloseButton={false}
      closeOnClickOutside={false}
      closeOnEscape={false}
    >
      <Stack>
        <Text c="dimmed">{text}</Text>
        <Code block data-shown-once>
          {secret}
        </Code>
        <Group justify="flex-end">
          <CopyButton value={secret ?? ''}>
            {({ copied, copy }) => (
              <Button variant="default" onClick={copy}>
                {copied ? 'Copied' : 'Copy'}
              </Button>
            )}
          </CopyButton>
          <Button onClick={done}>I have kept it</Button>
        </Group>
      </Stack>
    </Modal>
  );
}
