import { type MantineColorScheme, Menu, useMantineColorScheme } from '@mantine/core';

const SCHEMES: readonly (readonly [MantineColorScheme, string])[] = [
  ['auto', 'As the system'],
  ['light', 'Light'],
  ['dark', 'Dark'],
];

export function SchemeSwitch() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return SCHEMES.map(([scheme, label]) => (
    <Menu.Item
      key={scheme}
      role="menuitemradio"
      aria-checked={colorScheme === scheme}
      onClick={() => setColorScheme(scheme)}
      rightSection={colorScheme === scheme ? '✓' : undefined}
    >
      {label}
    </Menu.Item>
  ));
}
