import { api } from './api.js';
import { CODE, form } from './form.js';
import { answerWithPasskey, knowsPasskeys } from './passkey.js';
import { el } from './view.js';

const NAME = { label: 'Name', name: 'name', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' };

const PROBLEMS = {
  refused: 'Your identity provider refused the sign-in.',
  expired: 'The sign-in took too long, or was begun in another window. Try again.',
  'no-role': 'Your identity provider knows you, but nothing there gives you a role here. Ask an administrator.',
  domain: 'Your address is not of a domain that may sign in here.',
  disabled: 'Your account here is shut. Ask an administrator.',
  unreachable: 'Your identity provider does not answer. The log of Steward tells more.',
};

function gate(root, { title, text, ...rest }, more = []) {
  const body = form(rest);
  root.replaceChildren(
    el(
      'main',
      {},
      el('div', { class: 'card gate' }, el('h1', {}, title), el('p', { class: 'quiet' }, text), body, more),
    ),
  );
  root.querySelector('input')?.focus();
  return body;
}

export function showSetUp(root, enter) {
  const token = location.hash.slice(1);
  gate(root, {
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
      await enter();
    },
  });
}

export async function showSignIn(root, enter) {
  const ways = await api('sign-in');
  const problem = PROBLEMS[/^#sign-in=([a-z-]+)$/.exec(location.hash)?.[1]];
  if (problem) history.replaceState(undefined, '', '/');
  gate(
    root,
    {
      title: 'Steward',
      text: ways.setUpPending
        ? 'Nobody can sign in yet. Open the set-up link that Steward printed when it started; it also stands in the file setup-link.'
        : 'Sign in to see how everything is.',
      fields: [NAME, { label: 'Password', name: 'password', type: 'password', autocomplete: 'current-password' }],
      button: 'Sign in',
      submit: async (fields) => {
        try {
          await api('login', fields);
        } catch (error) {
          if (error.code === 'CONFIRMATION_REQUIRED') return askForCode(root, fields, enter);
          throw error;
        }
        await enter();
      },
    },
    [problem && el('p', { class: 'error', role: 'alert' }, problem), otherWays(ways, enter)],
  );
}

/** What does as well as a password. */
function otherWays({ provider, passkey }, enter) {
  const error = el('p', { class: 'error', role: 'alert' });
  const withPasskey = async () => {
    error.textContent = '';
    try {
      const { options } = await api('login/passkey/challenge', {});
      await api('login/passkey', { response: await answerWithPasskey(options) });
    } catch (refused) {
      error.textContent = refused.message;
      return;
    }
    await enter();
  };
  const buttons = [
    passkey && knowsPasskeys() && el('button', { type: 'button', onclick: withPasskey }, 'Sign in with a passkey'),
    provider && el('a', { class: 'button', href: '/api/v1/oidc/start' }, `Sign in with ${provider}`),
  ].filter(Boolean);
  return buttons.length > 0 && el('div', { class: 'others' }, el('p', { class: 'or' }, 'or'), buttons, error);
}

function askForCode(root, credentials, enter) {
  gate(root, {
    title: 'One more thing',
    text: 'Enter the code that your authenticator app shows now. A recovery code does as well.',
    fields: [{ ...CODE, label: 'Code' }],
    button: 'Sign in',
    submit: async ({ code }) => {
      await api('login', { ...credentials, code });
      await enter();
    },
    others: [{ label: 'Back', act: () => showSignIn(root, enter) }],
  });
}
