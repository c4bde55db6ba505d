import { el, incidents, notices, runs, section, services, tick, verdict } from './view.js';

const root = document.querySelector('#root');
const REFRESH_AT_MOST_EVERY_MS = 2_000;
const REFRESH_AT_LEAST_EVERY_MS = 30_000;

class Refused extends Error {
  constructor(status, { code, message, hint }) {
    super([message, hint].filter(Boolean).join(' '));
    this.status = status;
    this.code = code;
  }
}

async function api(path, body) {
  const response = await fetch(
    `/api/v1/${path}`,
    body === undefined
      ? {}
      : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) },
  );
  const answer = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  if (!response.ok)
    throw new Refused(response.status, answer?.error ?? { message: `The server answered ${response.status}.` });
  return answer;
}

const list = (answer) => (Array.isArray(answer) ? answer : (answer?.items ?? []));

/** A part of the page that is not there must not take the others with it. */
const optional = (promise, instead) =>
  promise.catch((error) => {
    if (error.status === 404 || error.status === 403) return instead;
    throw error;
  });

function gate({ title, text, fields, button, submit }) {
  const error = el('p', { class: 'error', role: 'alert' });
  const send = el('button', { class: 'primary', type: 'submit' }, button);
  const form = el(
    'form',
    {
      onsubmit: async (event) => {
        event.preventDefault();
        error.textContent = '';
        send.disabled = true;
        try {
          await submit(Object.fromEntries(new FormData(form)));
        } catch (refused) {
          error.textContent = refused.message;
        } finally {
          send.disabled = false;
        }
      },
    },
    fields.map(({ label, ...input }) => el('label', {}, label, el('input', { required: true, ...input }))),
    send,
    error,
  );
  root.replaceChildren(
    el('main', {}, el('div', { class: 'card gate' }, el('h1', {}, title), el('p', { class: 'quiet' }, text), form)),
  );
  form.querySelector('input')?.focus();
}

const NAME = { label: 'Name', name: 'name', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' };

function showSetUp() {
  const token = location.hash.slice(1);
  gate({
    title: 'Welcome to Steward',
    text: token
      ? 'Create the first admin. This link works once.'
      : 'The link is not complete: it has a part behind a #. It stands on the console and in the file setup-link.',
    fields: [
      NAME,
      {
        label: 'Password (at least 10 characters)',
        name: 'password',
        type: 'password',
        autocomplete: 'new-password',
        minlength: 10,
      },
    ],
    button: 'Create admin',
    submit: async (fields) => {
      await api('setup', { ...fields, token });
      history.replaceState(undefined, '', '/');
      await start();
    },
  });
}

async function showSignIn() {
  const { pending } = await api('setup');
  gate({
    title: 'Steward',
    text: pending
      ? 'Nobody can sign in yet. Open the set-up link that Steward printed when it started; it also stands in the file setup-link.'
      : 'Sign in to see how everything is.',
    fields: [NAME, { label: 'Password', name: 'password', type: 'password', autocomplete: 'current-password' }],
    button: 'Sign in',
    submit: async (fields) => {
      await api('login', fields);
      await start();
    },
  });
}

async function showState(me) {
  const connection = el('span', { class: 'live away', role: 'status' }, 'connecting');
  const signOut = el('button', { onclick: () => api('logout', {}).then(stop).then(showSignIn) }, 'Sign out');
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
        el('span', { class: 'quiet' }, `${me.name} (${me.role})`),
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
      const [overview, found, health, troubles, recent, waiting] = await Promise.all([
        api('overview'),
        optional(api('services'), []),
        optional(api('service-health'), { services: [] }),
        optional(api('incidents?status=unresolved&limit=100'), []),
        optional(api('runs?limit=10'), []),
        optional(api('runs?limit=50&status=waiting-approval'), []),
      ]);
      if (stopped) return;
      node.textContent = `${overview.node.name}, ${overview.version}`;
      document.title = `${overview.verdict === 'ok' ? '' : overview.verdict === 'broken' ? '● ' : '○ '}Steward`;
      show(content(overview, list(found), list(health?.services), list(troubles), list(recent), list(waiting)));
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

  function content(overview, found, health, troubles, recent, waiting) {
    const latencies = new Map(
      health.map(({ resourceId, checks }) => [
        resourceId,
        checks?.map(({ last }) => last?.latencyMs).find((value) => value !== undefined),
      ]),
    );
    const options = {
      open,
      load: (id) => api(`incidents/${encodeURIComponent(id)}`),
      decide: me.signedIn && me.permissions.includes('operate') ? decide : undefined,
    };
    const others = recent.filter(({ id }) => !waiting.some((run) => run.id === id));
    const up = found.filter((service) => service.state === 'up').length;
    const { sentence, verdict: word } = overview;
    return [
      { key: 'verdict', data: [sentence, word], render: () => verdict(overview) },
      troubles.length > 0 && {
        key: 'incidents',
        data: troubles,
        render: () => section('Open incidents', troubles.length, incidents(troubles, options)),
      },
      waiting.length > 0 && {
        key: 'waiting',
        data: waiting,
        render: () => section('Waiting for approval', waiting.length, runs(waiting, options)),
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

  async function decide(button, run, what) {
    button.disabled = true;
    try {
      await api(`runs/${encodeURIComponent(run.id)}/${what}`, what === 'approve' ? { planHash: run.planHash } : {});
      open.delete(run.id);
    } catch (error) {
      button.after(el('p', { class: 'error', role: 'alert' }, error.message));
      button.disabled = false;
      return;
    }
    await draw();
  }

  function soon() {
    if (stopped) return;
    clearTimeout(timer);
    timer = setTimeout(draw, Math.max(0, REFRESH_AT_MOST_EVERY_MS - (Date.now() - drawn)));
  }

  let source;
  let retry;
  function connect(wait = 1_000) {
    source = new EventSource('/api/v1/events/stream');
    source.addEventListener('hello', ({ lastEventId }) => {
      lastEvent = lastEventId;
      wait = 1_000;
      say(true, 'live');
      soon();
    });
    source.addEventListener('message', ({ lastEventId }) => {
      lastEvent = lastEventId;
      soon();
    });
    source.addEventListener('error', () => {
      if (stopped) return;
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
    source?.close();
  }

  current = stop;
  await draw();
  connect();
}

/** Puts the keyboard back where it was after the content was drawn anew. */
function focusPlace(main) {
  const focusable = () => [...main.querySelectorAll('summary, button, a, input')];
  const index = focusable().indexOf(document.activeElement);
  return () => {
    if (index >= 0) focusable()[index]?.focus({ preventScroll: true });
  };
}

let current = () => undefined;

async function start() {
  current();
  try {
    if (location.pathname === '/setup' && (await api('setup')).pending) return showSetUp();
    if (location.pathname === '/setup') history.replaceState(undefined, '', '/');
    await showState(await api('me'));
  } catch (error) {
    if (error.status === 401) return await showSignIn();
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
