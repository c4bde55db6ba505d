import '@fontsource-variable/inter/wght.css';
import '@mantine/core/styles.layer.css';
import '@mantine/spotlight/styles.layer.css';
import '@mantine/notifications/styles.layer.css';
import './global.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { createQueries } from './api/use-answer.ts';
import { createPages } from './router.tsx';
import { SessionGate } from './session/session.tsx';
import { theme, variables } from './theme.ts';

const root = document.querySelector('#root');
if (!root) throw new Error('The document has no place for the page.');

/** What the server lets styles in by; the policy of the page allows no others. */
const nonce = document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? '';
// Libraries that lock the scrolling of what lies behind a window look for it here.
Object.assign(globalThis, { __webpack_nonce__: nonce });
const pages = createPages();

createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={variables}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <Notifications position="bottom-right" />
      <QueryClientProvider client={createQueries()}>
        <SessionGate>
          <RouterProvider router={pages} />
        </SessionGate>
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
