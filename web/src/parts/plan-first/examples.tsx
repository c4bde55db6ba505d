import { Button, Menu } from '@mantine/core';

interface ExamplesProps {
  readonly examples: readonly { readonly title: string; readonly input: Readonly<Record<string, unknown>> }[];
  readonly choose: (input: Readonly<Record<string, unknown>>) => void;
}

/** Inputs that whoever wrote the automation thought of. */
export function Examples({ examples, choose }: ExamplesProps) {
  if (examples.length === 0) return undefined;
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" size="xs">
          Fill in an example
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {examples.map(({ title, input }) => (
          <Menu.Item key={title} onClick={() => choose(input)}>
            {title}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
