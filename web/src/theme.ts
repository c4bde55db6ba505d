import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from '@mantine/core';

const steward: MantineColorsTuple = [
  '#e9f7f3',
  '#d3ede5',
  '#a5dacb',
  '#73c6af',
  '#4bb597',
  '#2f9d80',
  '#1c8068',
  '#0f5c4d',
  '#0b4a3e',
  '#07382f',
];

/** What destroys, and what went wrong: white reads on it, and it reads on white, at 4.5 to 1 and more. */
const red: MantineColorsTuple = [
  '#fdeceb',
  '#f9d5d3',
  '#f1aaa5',
  '#e97d76',
  '#e0564d',
  '#d33f35',
  '#c2362c',
  '#b3261e',
  '#8f1d17',
  '#6e1511',
];

export const theme = createTheme({
  primaryColor: 'steward',
  primaryShade: { light: 7, dark: 6 },
  colors: { steward, red },
  autoContrast: true,
  fontFamily: "'Inter Variable', system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', 'Cascadia Mono', 'DejaVu Sans Mono', monospace",
  fontSizes: { xs: '0.75rem', sm: '0.8125rem', md: '0.9375rem', lg: '1.0625rem', xl: '1.25rem' },
  defaultRadius: 'md',
  headings: { fontWeight: '650' },
  respectReducedMotion: true,
  cursorType: 'pointer',
  components: {
    // What is wider than the screen is scrolled by whoever has a keyboard only, too.
    TableScrollContainer: { defaultProps: { scrollAreaProps: { viewportProps: { tabIndex: 0 } } } },
  },
});

/** Tones that a state is shown in: text that reads on its ground at 4.5 to 1 and more, in both schemes. */
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-body': '#f6f7f6',
    '--mantine-color-dimmed': '#56625d',
    '--mantine-color-error': '#b3261e',
    '--card': '#ffffff',
    '--line': '#dde2df',
    '--good': '#1a6b35',
    '--warn': '#8a5300',
    '--bad': '#b3261e',
    '--calm': '#4a5651',
    '--good-ground': '#e4f3e8',
    '--warn-ground': '#fdf0d9',
    '--bad-ground': '#fce8e6',
    '--calm-ground': '#ebeeec',
  },
  dark: {
    '--mantine-color-body': '#111715',
    '--mantine-color-dimmed': '#9fada7',
    '--mantine-color-error': '#ff9a90',
    '--card': '#19211e',
    '--line': '#2d3834',
    '--good': '#7bd694',
    '--warn': '#f0b95e',
    '--bad': '#ff9a90',
    '--calm': '#b3c0ba',
    '--good-ground': '#17301f',
    '--warn-ground': '#33270f',
    '--bad-ground': '#3a1917',
    '--calm-ground': '#232d29',
  },
});
