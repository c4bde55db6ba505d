import { api, list, optional } from './api.js';
import { ask, CODE, form, PASSWORD } from './form.js';
import { answerWithPasskey, knowsPasskeys, makePasskey } from './passkey.js';
import { el, since, until } from './view.js';

/** How somebody signs in, and what acts in their name. */
export function showAccount(me) {
  const body = el('div');
  const dialog = el(
    'dialog',
    { class: 'wide', onclose: () => dialog.remove() },
    el(
      'div',
      { class: 'head' },
      el('h1', {}, me.name),
      el('span', { class: 'quiet' }, me.role),
      el('span', { class: 'grow' }),
      el('button', { onclick: () => dialog.close() }, 'Close'),
    ),
    body,
  );
  const draw = async () => {
    const [{ account }, sessions, tokens] = await Promise.all([
      api('account'),
      optional(api('sessions'), []),
      me.permissions.includes('operate') ? optional(api('tokens'), []) : [],
    ]);
    body.replaceChildren(
      passwordPart(account, draw),
      authenticatorPart(account, draw),
      passkeyPart(account, draw),
      sessionPart(
        list(sessions).filter(({ user }) => user === me.name),
        draw,
      ),
      tokenPart(
        list(tokens).filter(({ revokedAt }) => !revokedAt),
        draw,
      ),
    );
  };
  document.body.append(dialog);
  dialog.showModal();
  void draw().catch((error) => body.replaceChildren(el('p', { class: 'error' }, error.message)));
}

function part(title, ...children) {
  return el('section', {}, el('h2', {}, title), children);
}

const command = (label, act) => ({ label, act });
const commands = (...others) => form({ fields: [], submit: () => undefined, others });

/** Does something that takes proof: asks for the password, with a code where one is needed, or for a passkey. */
function proven(account, { title, text, button, purpose, fields = [], act }) {
  const own = ({ password: _password, code: _code, ...rest }) => rest;
  const { password, authenticator, passkeys, noPasskeys } = account;
  return ask({
    title,
    text,
    fields: [...fields, ...(password ? [PASSWORD, ...(authenticator ? [CODE] : [])] : [])],
    button: (password || passkeys.length === 0) && button,
    submit: ({ password: text, code, ...rest }) =>
      act(rest, text === undefined ? undefined : { password: text, ...(code && { code }) }),
    others:
      passkeys.length > 0 && !noPasskeys && knowsPasskeys()
        ? [
            command('Use a passkey', async (given) => {
              const { options } = await api('challenge-passkey', { purpose });
              await act(own(given), { passkey: await answerWithPasskey(options) });
            }),
          ]
        : [],
  });
}

function passwordPart(account, draw) {
  if (!account.password)
    return part('Password', el('p', { class: 'quiet' }, 'Your identity provider keeps it; none is stored here.'));
  return part(
    'Password',
    commands(
      command('Change…', async () => {
        await proven(account, {
          title: 'Change your password',
          text: 'You stay signed in here, and are signed out everywhere else.',
          button: 'Change',
          purpose: `change-password:${account.id}`,
          fields: [
            {
              label: 'New password (at least 10 characters)',
              name: 'next',
              type: 'password',
              autocomplete: 'new-password',
              minlength: 10,
            },
          ],
          act: ({ next }, proof) => api('change-password', { password: next, proof }),
        });
        await draw();
      }),
    ),
  );
}

function authenticatorPart(account, draw) {
  const proof = (title, button, path) =>
    proven(account, {
      title,
      button,
      purpose: `${path}:${account.id}`,
      act: (_fields, given) => api(path, { proof: given }),
    });
  const shown = (answer) => answer && showCodes(answer.recoveryCodes);
  if (!account.authenticator)
    return part(
      'Authenticator app',
      el('p', { class: 'quiet' }, 'With one, a password alone lets nobody in.'),
      commands(
        command('Set up…', async () => {
          let enrolled;
          await proven(account, {
            title: 'Set up an authenticator app',
            button: 'Go on',
            purpose: `enroll-authenticator:${account.id}`,
            act: async (_fields, given) => (enrolled = await api('enroll-authenticator', { proof: given })),
          });
          if (enrolled) shown(await confirmAuthenticator(enrolled));
          await draw();
        }),
      ),
    );
  return part(
    'Authenticator app',
    el('p', {}, `On. ${account.recoveryCodes} recovery codes are left.`),
    commands(
      command('New recovery codes…', async () => {
        shown(await proof('New recovery codes', 'Make them', 'renew-recovery-codes'));
        await draw();
      }),
      command('Remove…', async () => {
        await proof('Remove the authenticator app?', 'Remove', 'remove-authenticator');
        await draw();
      }),
    ),
  );
}

function confirmAuthenticator({ secret, uri, qr }) {
  return ask({
    title: 'Add Steward to the app',
    text: el(
      'span',
      {},
      'Scan this with the app, type the key into it, or ',
      el('a', { href: uri }, 'open it on this device'),
      '. Then enter the code it shows.',
      qrCode(qr),
      el('code', { class: 'key' }, secret.match(/.{1,4}/g).join(' ')),
    ),
    fields: [{ ...CODE, label: 'Code' }],
    button: 'Turn it on',
    submit: ({ code }) => api('confirm-authenticator', { code }),
  });
}

/** Dark on white whatever the theme: cameras expect it so. */
function qrCode(rows) {
  const dark = rows.flatMap((row, y) => [...row].flatMap((cell, x) => (cell === '#' ? [`M${x} ${y}h1v1h-1z`] : [])));
  const picture = svg('svg', { class: 'qr', viewBox: `0 0 ${rows.length} ${rows.length}`, role: 'img' });
  picture.setAttribute('aria-label', 'The key, to be scanned');
  picture.append(svg('path', { d: dark.join('') }));
  return picture;
}

function svg(tag, props) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(props)) node.setAttribute(name, value);
  return node;
}

function showCodes(codes) {
  return ask({
    title: 'Your recovery codes',
    text: el(
      'span',
      {},
      'Each lets you in once without the app. Keep them where the phone is not; they are not shown again.',
      el(
        'code',
        { class: 'key codes' },
        codes.map((code) => el('span', {}, code)),
      ),
    ),
    fields: [],
    button: 'I have kept them',
    cancel: false,
    submit: () => undefined,
  });
}

function passkeyPart(account, draw) {
  const why = account.noPasskeys ?? (knowsPasskeys() ? undefined : 'This browser is too old for passkeys.');
  return part(
    'Passkeys',
    el('p', { class: 'quiet' }, why ?? 'A passkey signs you in, and approves what destroys, without a password.'),
    rows(
      account.passkeys.map(({ id, name, place, createdAt, lastUsedAt }) => [
        [
          el('strong', {}, name),
          el(
            'span',
            { class: 'quiet' },
            ` ${place}, `,
            lastUsedAt ? ['used ', since(lastUsedAt), ' ago'] : ['made ', since(createdAt), ' ago'],
          ),
        ],
        command('Remove…', async () => {
          await proven(account, {
            title: `Remove the passkey ${name}?`,
            button: 'Remove',
            purpose: `remove-passkey:${account.id}`,
            act: (_fields, proof) => api('remove-passkey', { id, proof }),
          });
          await draw();
        }),
      ]),
    ),
    !why &&
      commands(
        command('Add a passkey…', async () => {
          await proven(account, {
            title: 'Add a passkey',
            button: 'Add',
            purpose: `add-passkey:${account.id}`,
            fields: [{ label: 'What you call it', name: 'name', value: 'This device', maxlength: 60 }],
            act: async ({ name }, proof) => {
              const { options } = await api('offer-passkey', { proof });
              await api('add-passkey', { name, response: await makePasskey(options) });
            },
          });
          await draw();
        }),
      ),
  );
}

function sessionPart(sessions, draw) {
  return part(
    'Signed in',
    rows(
      sessions.map(({ id, address, userAgent, seenAt, current }) => [
        [
          el('strong', {}, current ? 'This session' : address),
          el('span', { class: 'quiet' }, ` ${program(userAgent)}, `, since(seenAt), ' ago'),
        ],
        !current &&
          command('End', async () => {
            await api('end-session', { id });
            await draw();
          }),
      ]),
    ),
    sessions.length > 1 &&
      commands(
        command('Sign out everywhere else', async () => {
          await api('sign-out-everywhere', {});
          await draw();
        }),
      ),
  );
}

/** `Firefox on Linux`: what a person would call it. */
function program(userAgent = '') {
  const find = (names) => names.find(([sign]) => userAgent.includes(sign))?.[1];
  const browser = find([
    ['Firefox/', 'Firefox'],
    ['Edg/', 'Edge'],
    ['OPR/', 'Opera'],
    ['Chrome/', 'Chrome'],
    ['Safari/', 'Safari'],
  ]);
  const system = find([
    ['Android', 'Android'],
    ['iPhone', 'iPhone'],
    ['iPad', 'iPad'],
    ['Mac OS', 'Mac'],
    ['Windows', 'Windows'],
    ['Linux', 'Linux'],
  ]);
  if (browser && system) return `${browser} on ${system}`;
  return userAgent.slice(0, 60) || 'an unnamed program';
}

function tokenPart(tokens, draw) {
  if (tokens.length === 0) return el('div');
  return part(
    'Tokens',
    rows(
      tokens.map(({ id, name, role, only, permissions, expiresAt, lastUsedAt }) => [
        [
          el('strong', {}, name),
          el(
            'span',
            { class: 'quiet' },
            ` ${[role, ...(permissions ?? []), ...(only ?? [])].join(', ')}; `,
            expiresAt ? ['ends in ', until(expiresAt)] : 'without end',
            lastUsedAt ? ['; used ', since(lastUsedAt), ' ago'] : '; never used',
          ),
        ],
        command('Revoke', async () => {
          await api('revoke-token', { id });
          await draw();
        }),
      ]),
    ),
  );
}

function rows(list) {
  if (list.length === 0) return undefined;
  return el(
    'ul',
    { class: 'rows' },
    list.map(([text, action]) => el('li', {}, el('div', {}, text), action && commands(action))),
  );
}
