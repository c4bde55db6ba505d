import { el } from './view.js';

/** A form that shows why it was refused. `submit` gets the fields by name; `others` are buttons that do the same in another way. */
export function form({ fields, button, danger, submit, others = [] }) {
  const error = el('p', { class: 'error', role: 'alert' });
  const buttons = [
    button && el('button', { class: danger ? 'primary danger' : 'primary', type: 'submit' }, button),
    ...others.map(({ label, act }) =>
      el('button', { type: 'button', onclick: () => attempt(() => act(values())) }, label),
    ),
  ].filter(Boolean);
  const values = () => Object.fromEntries([...new FormData(body)].filter(([, text]) => text !== ''));
  async function attempt(work) {
    error.textContent = '';
    for (const each of buttons) each.disabled = true;
    try {
      await work();
    } catch (refused) {
      error.textContent = refused.message;
    } finally {
      for (const each of buttons) each.disabled = false;
    }
  }
  const body = el(
    'form',
    {
      onsubmit: (event) => {
        event.preventDefault();
        void attempt(() => submit(values()));
      },
    },
    fields.map(({ label, ...input }) => el('label', {}, label, el('input', { required: true, ...input }))),
    el('div', { class: 'actions' }, buttons),
    error,
  );
  return body;
}

/** Asks in a window of its own; it closes when `submit` went well. Resolves with what that gave, or undefined. */
export function ask({ title, text, submit, others = [], cancel = 'Cancel', ...rest }) {
  return new Promise((resolve) => {
    let result;
    const done = (work) => async (fields) => {
      result = await work(fields);
      dialog.close();
    };
    const dialog = el(
      'dialog',
      {
        onclose: () => {
          dialog.remove();
          resolve(result);
        },
      },
      el('h2', {}, title),
      text && el('p', { class: 'quiet' }, text),
      form({
        ...rest,
        submit: done(submit),
        others: [
          ...others.map(({ label, act }) => ({ label, act: done(act) })),
          ...(cancel ? [{ label: cancel, act: () => dialog.close() }] : []),
        ],
      }),
    );
    document.body.append(dialog);
    dialog.showModal();
    // The browser would take the first thing that can be focused, which may be a link in the text.
    dialog.querySelector('input')?.focus();
  });
}

export const PASSWORD = {
  label: 'Your password',
  name: 'password',
  type: 'password',
  autocomplete: 'current-password',
};

export const CODE = {
  label: 'Code of your authenticator app',
  name: 'code',
  autocomplete: 'one-time-code',
  autocapitalize: 'none',
  spellcheck: 'false',
  maxlength: 40,
};
