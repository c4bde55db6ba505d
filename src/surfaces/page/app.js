import { showAccount } from './account.js';
import { api, list, optional } from './api.js';
import { approval } from './approval.js';
import { showSetUp, showSignIn } from './gate.js';
import { modeBanner, stopEverything } from './mode.js';
import { el, incidents, notices, runs, section, services, tick, verdict } from './view.js';

const root = document.querySelector('#root');
const REFRESH_AT_MOST_EVERY_MS = 2_000;
const REFRESH_AT_LEAST_EVERY_MS = 30_000;
const HEALED_FOR_MS = 8_000;

async function showState(me) {
  const connection = el('span', { class: 'live away', role: 'status' }, 'connecting');
  const signOut = el('button', { onclick: leave }, 'Sign out');
  const account = me.signedIn
    ? el('button', { onclick: () => showAccount(me) }, me.name)
    : el('span', { class: 'quiet' }, me.name);
  const brake =
    me.permissions.includes('operate') &&
    me.role !== 'agent' &&
    el('button', { class: 'brake', onclick: () => stopEverything(draw) }, 'Stop everything…');
  const node = el('span', { class: 'quiet' });
  const main = el('main');
  const open = new Set();
  root.replaceChildren(
    el(
      'header',
      { class: 'bar' },
      el(
        'div',
        {},
        el('img', { src: '/icon.svg', alt: '' }),
        el('strong', {}, 'Steward'),
        node,
        el('span', { class: 'grow' }),
        connection,
        brake,
        account,
        signOut,
      ),
    ),
    main,
  );

  let stopped = false;
  let lastEvent = '';
  let drawn = 0;
  let timer;
  const sections = new Map();

  const say = (live, text) => {
    connection.className = live ? 'live' : 'live away';
    main.className = live || lastEvent === '' ? '' : 'old';
    connection.textContent = text;
  };

  async function draw() {
    clearTimeout(timer);
    drawn = Date.now();
    try {
      const [overview, found, health, troubles, recent, waiting, mode, own] = await Promise.all([
        api('overview'),
        optional(api('services'), []),
        optional(api('service-health'), { services: [] }),
        optional(api('incidents?status=unresolved&limit=100'), []),
        optional(api('runs?limit=10'), []),
        optional(api('runs?limit=50&status=waiting-approval'), []),
        optional(api('mode'), { mode: 'normal' }),
        optional(api('account'), {}),
      ]);
      if (stopped) return;
      node.textContent = `${overview.node.name}, ${overview.version}`;
      document.title = `${overview.verdict === 'ok' ? '' : overview.verdict === 'broken' ? '● ' : '○ '}Steward`;
      if (brake) brake.hidden = mode.mode === 'stopped';
      show([
        ...(mode.mode === 'normal' ? [] : [{ key: 'mode', data: mode, render: () => modeBanner(mode, me, draw) }]),
        ...content(overview, list(found), list(health?.services), list(troubles), list(recent), {
          waiting: list(waiting),
          account: own.account,
        }),
      ]);
      tick();
    } catch (error) {
      if (error.status === 401) return await start();
      say(false, `no answer: ${error.message}`);
    } finally {
      if (!stopped) timer = setTimeout(draw, REFRESH_AT_LEAST_EVERY_MS);
    }
  }

  /** Draws anew what changed and nothing else: whoever reads or types must not lose their place. */
  function show(parts) {
    const nodes = parts.map(({ key, data, render }) => {
      const text = JSON.stringify(data);
      const known = sections.get(key);
      if (known?.text === text) return known.node;
      const drawnAnew = { text, node: render() };
      sections.set(key, drawnAnew);
      return drawnAnew.node;
    });
    if (nodes.length === main.children.length && nodes.every((each, index) => each === main.children[index])) return;
    const putBack = focusPlace(main);
    main.replaceChildren(...nodes);
    putBack();
  }

  function content(overview, found, health, troubles, recent, { waiting, account }) {
    const latencies = new Map(
      health.map(({ resourceId, checks }) => [
        resourceId,
        checks?.map(({ last }) => last?.latencyMs).find((value) => value !== undefined),
      ]),
    );
    const options = {
      open,
      load: (id) => api(`incidents/${encodeURIComponent(id)}`),
    };
    const others = recent.filter(({ id }) => !waiting.some((run) => run.id === id));
    const up = found.filter((service) => service.state === 'up').length;
    const { sentence, verdict: word } = overview;
    return [
      { key: 'verdict', data: [sentence, word], render: () => verdict(overview) },
      waiting.length > 0 && {
        key: 'needs-you',
        data: waiting.length,
        render: () => el('h2', {}, 'Needs you ', el('span', {}, String(waiting.length))),
      },
      // Each by itself: whoever types a password must not lose it because another plan arrives.
      ...waiting.map((run) => ({
        key: `asks ${run.id}`,
        data: [run, account && [account.password, account.authenticator, account.passkeys.length, account.noPasskeys]],
        render: () => approval(run, { me, account, decided: draw }),
      })),
      troubles.length > 0 && {
        key: 'incidents',
        data: troubles,
        render: () => section('Open incidents', troubles.length, incidents(troubles, options)),
      },
      overview.notices.length > 0 && {
        key: 'notices',
        data: overview.notices,
        render: () => section('Notices', undefined, notices(overview.notices)),
      },
      {
        key: 'services',
        data: [found, [...latencies]],
        render: () =>
          section('Services', found.length > 0 ? `${up} of ${found.length} up` : undefined, services(found, latencies)),
      },
      others.length > 0 && {
        key: 'runs',
        data: others,
        render: () => section('Recent runs', undefined, runs(others, options)),
      },
    ].filter(Boolean);
  }

  async function leave() {
    const answer = await api('logout', {});
    stop();
    if (answer?.redirect) location.assign(answer.redirect);
    else await showSignIn(root, start);
  }

  function soon() {
    if (stopped) return;
    clearTimeout(timer);
    timer = setTimeout(draw, Math.max(0, REFRESH_AT_MOST_EVERY_MS - (Date.now() - drawn)));
  }

  let source;
  let retry;
  let healed;
  let lost = false;
  let gap = false;
  function connect(wait = 1_000) {
    source = new EventSource('/api/v1/events/stream');
    source.addEventListener('subscribed', ({ lastEventId }) => {
      lastEvent = lastEventId;
      wait = 1_000;
      say(true, !lost ? 'live' : gap ? 'live again' : 'live again, nothing missed');
      if (lost) healed = setTimeout(() => say(true, 'live'), HEALED_FOR_MS);
      lost = gap = false;
      soon();
    });
    source.addEventListener('gap', () => (gap = true));
    source.addEventListener('message', ({ lastEventId }) => {
      lastEvent = lastEventId;
      soon();
    });
    source.addEventListener('end', ({ data }) => {
      if (JSON.parse(data).why === 'unauthenticated') void start();
    });
    source.addEventListener('error', () => {
      if (stopped) return;
      lost = true;
      clearTimeout(healed);
      say(false, `connection lost${lastEvent === '' ? '' : ', what is shown may be old'}; reconnecting…`);
      // The browser reconnects by itself unless it was refused.
      if (source.readyState !== EventSource.CLOSED) return;
      retry = setTimeout(() => connect(Math.min(wait * 2, 30_000)), wait);
      soon();
    });
  }

  const ticking = setInterval(tick, 5_000);
  function stop() {
    stopped = true;
    clearInterval(ticking);
    clearTimeout(timer);
    clearTimeout(retry);
    clearTimeout(healed);
    source?.close();
  }

  current = stop;
  await draw();
  connect();
}

/** Puts the keyboard back where it was after the content was drawn anew. */
function focusPlace(main) {
  const focusable = () => [...main.querySelectorAll('summary, button, a, input')];
  const focused = document.activeElement;
  const index = focusable().indexOf(focused);
  return () => {
    if (index < 0) return;
    (focused.isConnected ? focused : focusable()[index])?.focus({ preventScroll: true });
  };
}

let current = () => undefined;

async function start() {
  current();
  try {
    if (location.pathname === '/setup' && (await api('setup')).pending) return showSetUp(root, start);
    if (location.pathname === '/setup') history.replaceState(undefined, '', '/');
    await showState(await api('me'));
  } catch (error) {
    if (error.status === 401) return await showSignIn(root, start);
    root.replaceChildren(
      el(
        'main',
        {},
        el(
          'p',
          { class: 'card pad' },
          `Steward does not answer: ${error.message} `,
          el('button', { onclick: start }, 'Try again'),
        ),
      ),
    );
  }
}

void start();
