import { api } from './api.js';
import { ask, CODE, form, PASSWORD } from './form.js';
import { answerWithPasskey, knowsPasskeys } from './passkey.js';
import { el, since, state, until } from './view.js';

const UNDO = {
  automatic: ['good', 'taken back by itself if it fails'],
  approval: ['warn', 'a person has to take it back'],
  none: ['bad', 'cannot be taken back'],
};

/** One plan that waits for a person: what would happen, what hangs on it, what can be taken back, until when. */
export function approval(run, { me, account, decided }) {
  const destroys = run.effect === 'destructive';
  return el(
    'section',
    { class: destroys ? 'card asks destroys' : 'card asks', 'aria-label': `${run.automation} waits for you` },
    el(
      'div',
      { class: 'head' },
      el('span', { class: 'title' }, run.automation),
      run.target && el('span', {}, run.target.name),
      destroys && el('span', { class: 'state bad' }, 'destroys'),
      run.target?.critical && el('span', { class: 'state warn' }, 'critical'),
    ),
    el(
      'p',
      { class: 'quiet' },
      `Asked for by ${run.actor.name}`,
      run.actor.role === 'agent' && ' (an AI agent)',
      ', ',
      since(run.createdAt),
      ' ago',
      run.reason && `: ${run.reason}`,
      run.expiresAt && [' · expires in ', until(run.expiresAt)],
    ),
    plan(run.plan ?? []),
    impact(run),
    answers(run, { me, account, decided, destroys }),
  );
}

function plan(changes) {
  return el(
    'ol',
    { class: 'plan' },
    changes.map(({ title, undo, reason, detail }) => {
      const [tone, words] = UNDO[undo] ?? ['', undo];
      const why = typeof reason === 'string' && el('div', { class: 'quiet' }, reason);
      const more = typeof detail === 'string' && el('pre', { class: 'detail' }, detail);
      return el('li', {}, title, ' ', el('span', { class: `undo ${tone}` }, words), why, more);
    }),
  );
}

function impact({ impact: known }) {
  if (!known) return undefined;
  const { blastRadius, recoveryPoint } = known;
  return el(
    'dl',
    { class: 'impact' },
    el('dt', {}, 'Depends on it'),
    el(
      'dd',
      {},
      blastRadius.length === 0
        ? 'nothing that Steward knows'
        : blastRadius.map(({ name, critical }, index) => [
            index > 0 && ', ',
            name,
            critical && [' ', state('critical')],
          ]),
    ),
    recoveryPoint !== undefined && el('dt', {}, 'Way back'),
    recoveryPoint !== undefined &&
      el('dd', { class: recoveryPoint === null ? 'none' : '' }, recoveryPoint ?? 'none: nothing to restore is known'),
  );
}

function answers(run, { me, account, decided, destroys }) {
  const may = me.signedIn && me.permissions.includes(destroys ? 'destroy' : 'operate') && me.role !== 'agent';
  const path = `runs/${encodeURIComponent(run.id)}`;
  const approve = async (proof) => {
    await api(`${path}/approve`, { planHash: run.planHash, ...(proof && { proof }) });
    await decided();
  };
  const reject = {
    label: 'Reject…',
    act: () =>
      ask({
        title: `Reject ${run.automation}?`,
        text: 'Nothing is changed. Whoever asked sees the reason.',
        fields: [{ label: 'Why', name: 'reason', maxlength: 500 }],
        button: 'Reject',
        submit: async ({ reason }) => {
          await api(`${path}/reject`, { reason });
          await decided();
        },
      }),
  };
  if (!me.signedIn || !me.permissions.includes('operate') || me.role === 'agent') return undefined;
  if (!may)
    return el(
      'div',
      {},
      el('p', { class: 'quiet' }, 'Approving what destroys takes an administrator.'),
      form({ fields: [], submit: () => undefined, others: [reject] }),
    );
  if (!destroys) return form({ fields: [], button: 'Approve this plan', submit: () => approve(), others: [reject] });

  const withPasskey = {
    label: 'Approve with a passkey',
    act: async () => {
      const purpose = `approve:${run.id}:${run.planHash}`;
      const { options } = await api('challenge-passkey', { purpose });
      await approve({ passkey: await answerWithPasskey(options) });
    },
  };
  const { password = true, authenticator = false, passkeys = [], noPasskeys } = account ?? {};
  return form({
    fields: password ? [PASSWORD, ...(authenticator ? [CODE] : [])] : [],
    button: password && 'Approve this plan',
    danger: true,
    submit: (fields) => approve(fields),
    others: [...(passkeys.length > 0 && !noPasskeys && knowsPasskeys() ? [withPasskey] : []), reject],
  });
}
