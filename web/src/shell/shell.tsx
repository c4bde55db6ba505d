import { AppShell, Burger, Button, Group, Menu, NavLink, Text, UnstyledButton } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { Link, Outlet, useLocation } from '@tanstack/react-router';
import { useCallback } from 'react';
import { useAnswer } from '../api/use-answer.ts';
import icon from '../icon.svg';
import { useLive } from '../live/use-live.ts';
import { useSession } from '../session/session.tsx';
import { ConnectionSign } from './connection-sign.tsx';
import { ModeBanner, useStopEverything } from './mode.tsx';
import { navigationFor } from './navigation.ts';
import { openPalette, Palette } from './palette.tsx';
import { SchemeSwitch } from './scheme-switch.tsx';
import classes from './shell.module.css';

/** What stands around every page. */
export function Shell() {
  const { me, may, signOut, lookAgain } = useSession();
  const connection = useLive(useCallback(() => void lookAgain(), [lookAgain]));
  const overview = useAnswer('/api/v1/overview').data;
  const [opened, { toggle, close }] = useDisclosure();
  const stop = useStopEverything();
  const { pathname } = useLocation();
  const isHere = (to: string): boolean => (to === '/' ? pathname === '/' : pathname.startsWith(to));
  const badges: Readonly<Record<string, number | undefined>> = {
    '/incidents': overview?.openIncidents,
    '/runs': overview?.waitingApproval,
  };

  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 220, breakpoint: 'sm', collapsed: { mobile: !opened } }}
      padding="lg"
    >
      <a href="#content" className={classes.skip}>
        To the content
      </a>
      <AppShell.Header className={classes.header}>
        <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
        <UnstyledButton component={Link} to="/" className={classes.brand}>
          <img src={icon} alt="" width={26} height={26} />
          <strong>Steward</strong>
        </UnstyledButton>
        <Text c="dimmed" size="sm" visibleFrom="md">
          {overview && `${overview.node.name}, ${overview.version}`}
        </Text>
        <span className={classes.grow} />
        <ConnectionSign connection={connection} />
        <Button variant="default" size="xs" onClick={openPalette} visibleFrom="xs" aria-keyshortcuts="Control+K">
          Go to… <kbd className={classes.key}>Ctrl K</kbd>
        </Button>
        {stop.ask !== undefined && (
          <Button size="xs" variant="outline" color="var(--bad)" onClick={stop.ask} visibleFrom="sm">
            Stop everything…
          </Button>
        )}
        <Menu position="bottom-end">
          <Menu.Target>
            <Button variant="default" size="xs">
              {me.name}
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Label>{me.role}</Menu.Label>
            <Menu.Item renderRoot={(props) => <Link to="/settings/account" {...props} />}>Your account</Menu.Item>
            <Menu.Item onClick={openPalette} hiddenFrom="xs">
              Go to…
            </Menu.Item>
            {stop.ask !== undefined && (
              <Menu.Item onClick={stop.ask} color="var(--bad)" hiddenFrom="sm">
                Stop everything…
              </Menu.Item>
            )}
            <Menu.Divider />
            <SchemeSwitch />
            <Menu.Divider />
            <Menu.Item onClick={() => void signOut()}>Sign out</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </AppShell.Header>
      <AppShell.Navbar className={classes.navbar} p="sm" aria-label="Pages" data-closed={!opened || undefined}>
        {navigationFor(may).map(({ label, places }) => (
          <Group key={label ?? ''} gap={2} className={classes.neighbourhood}>
            {label !== undefined && <Text className={classes.label}>{label}</Text>}
            {places.map(({ to, label: name }) => (
              <NavLink
                key={to}
                renderRoot={(props) => <Link to={to} {...props} />}
                className={classes.link}
                label={name}
                active={isHere(to)}
                aria-current={isHere(to) ? 'page' : undefined}
                onClick={close}
                rightSection={(badges[to] ?? 0) > 0 && <span className={classes.badge}>{badges[to]}</span>}
              />
            ))}
          </Group>
        ))}
      </AppShell.Navbar>
      <AppShell.Main
        id="content"
        tabIndex={-1}
        className={classes.main}
        data-old={connection.state === 'lost' || undefined}
      >
        <ModeBanner />
        <div className={classes.content}>
          <Outlet />
        </div>
      </AppShell.Main>
      {stop.window}
      <Palette />
    </AppShell>
  );
}
