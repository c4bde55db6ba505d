import { api } from './api.js';
import { ask } from './form.js';
import { el, since } from './view.js';

const WORDS = {
  stopped: 'Steward is stopped: nothing that changes begins, what ran was canceled. Watching goes on.',
  'observe-only': 'Steward only observes: it plans, and applies nothing.',
};

/** Says so wherever Steward does not act as usual. */
export function modeBanner({ mode, by, reason, since: at }, me, changed) {
  return el(
    'section',
    { class: `mode ${mode}`, role: 'alert' },
    el(
      'div',
      {},
      el('strong', {}, WORDS[mode] ?? mode),
      el('div', { class: 'quiet' }, by && `By ${by}`, at && [' ', since(at), ' ago'], reason && `: ${reason}`),
    ),
    me.permissions.includes('administer') &&
      el('button', { onclick: () => set('normal', 'Let Steward act again?', 'Release', changed) }, 'Release…'),
  );
}

export function stopEverything(changed) {
  return set('stopped', 'Stop everything?', 'Stop everything', changed);
}

function set(mode, title, button, changed) {
  return ask({
    title,
    text:
      mode === 'stopped'
        ? 'What runs is canceled and taken back as far as it can be; nothing that changes begins until an administrator releases it.'
        : 'Schedules, healing and approved plans go on.',
    fields: [{ label: 'Why', name: 'reason', maxlength: 500 }],
    button,
    danger: mode === 'stopped',
    submit: async ({ reason }) => {
      await api('set-mode', { mode, reason });
      await changed();
    },
  });
}
