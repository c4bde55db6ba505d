// What the page shows. Text of services, logs and people reaches the document as text nodes only, never as markup.

/** An element with its children; strings become text nodes. */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else if (name === 'class') node.className = value;
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

const TONES = {
  good: ['up', 'succeeded', 'resolved', 'healthy', 'alive', 'done'],
  warn: ['degraded', 'warning', 'healing', 'open', 'waiting-approval', 'stale', 'rolling-back', 'rolled-back'],
  bad: ['down', 'failed', 'escalated', 'critical', 'rollback-failed', 'lost'],
};

export function state(word) {
  const tone = Object.keys(TONES).find((each) => TONES[each].includes(word)) ?? '';
  return el('span', { class: `state ${tone}` }, String(word).replaceAll('-', ' '));
}

/** How long ago, kept right by `tick`; the instant itself shows on hover. */
export function since(at) {
  if (!at) return '–';
  return el('time', { class: 'ago', datetime: at, title: new Date(at).toLocaleString() }, length(at));
}

/** How long still, kept right by `tick`. */
export function until(at) {
  return el('time', { class: 'ahead', datetime: at, title: new Date(at).toLocaleString() }, length(at, 1));
}

function length(at, direction = -1) {
  const seconds = Math.max(0, Math.round(((Date.parse(at) - Date.now()) * direction) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} days`;
}

/** Brings every length of time in the document up to date. */
export function tick() {
  for (const time of document.querySelectorAll('time.ago, time.ahead')) {
    const text = length(time.getAttribute('datetime'), time.className === 'ahead' ? 1 : -1);
    if (time.textContent !== text) time.textContent = text;
  }
}

export function verdict({ verdict: word, sentence }) {
  return el('section', { class: `verdict ${word}`, role: 'status' }, el('h1', {}, sentence));
}

export function section(title, count, body) {
  return el('section', {}, el('h2', {}, `${title} `, count === undefined ? '' : el('span', {}, String(count))), body);
}

export function notices(list) {
  return el(
    'ul',
    { class: 'card' },
    list.map(({ level, text, hint }) =>
      el('li', {}, state(level), ' ', text, hint && el('div', { class: 'quiet' }, hint)),
    ),
  );
}

const ORDER = ['down', 'degraded', 'unknown', 'pending', 'up', 'stopped'];

export function services(list, latencies) {
  if (list.length === 0)
    return el(
      'p',
      { class: 'card pad quiet' },
      'Nothing has been found yet. The first look around takes a few seconds.',
    );
  const rows = list.toSorted(
    (one, other) => ORDER.indexOf(one.state) - ORDER.indexOf(other.state) || one.name.localeCompare(other.name),
  );
  return el(
    'div',
    { class: 'card' },
    el(
      'table',
      { class: 'cards' },
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          el('th', {}, 'Service'),
          el('th', {}, 'State'),
          el('th', {}, 'What it is'),
          el('th', {}, 'Where'),
          el('th', {}, 'For'),
          el('th', { class: 'number' }, 'Latency'),
        ),
      ),
      el(
        'tbody',
        {},
        rows.map((service) => {
          const latency = latencies.get(service.id);
          return el(
            'tr',
            {},
            el('th', { scope: 'row' }, service.name),
            el('td', { class: 'first' }, state(service.state)),
            el('td', {}, [service.product, service.version].filter(Boolean).join(' ')),
            el('td', { class: 'end' }, service.endpoint ?? '–'),
            el('td', {}, since(service.since)),
            el(
              'td',
              { class: 'number' },
              latency === undefined ? '–' : latency < 10 ? `${latency.toFixed(1)} ms` : `${Math.round(latency)} ms`,
            ),
          );
        }),
      ),
    ),
  );
}

/** `open` keeps what a person unfolded open while the list is drawn anew. */
export function incidents(list, { open, load }) {
  return el(
    'ul',
    { class: 'card' },
    list.map((incident) =>
      el(
        'li',
        {},
        unfolding(
          [
            el('span', { class: 'title' }, incident.title),
            state(incident.status),
            state(incident.severity),
            el('span', { class: 'quiet' }, since(incident.openedAt), ' ago'),
          ],
          incident.id,
          open,
          async () => timeline(await load(incident.id)),
        ),
      ),
    ),
  );
}

export function runs(list, { open }) {
  return el(
    'ul',
    { class: 'card' },
    list.map((run) =>
      el(
        'li',
        {},
        unfolding(
          [
            el('span', { class: 'title' }, run.automation),
            run.target && el('span', {}, run.target.name),
            state(run.status),
            run.dryRun && state('plan only'),
            el('span', { class: 'quiet' }, since(run.createdAt), ` ago, by ${run.actor.name}`),
          ],
          run.id,
          open,
          () => runDetail(run),
        ),
      ),
    ),
  );
}

function unfolding(summary, id, open, body) {
  const details = el('details', { open: open.has(id) }, el('summary', {}, summary));
  const fill = async () => {
    while (details.children.length > 1) details.lastChild.remove();
    details.append(await Promise.resolve(body()).catch((error) => el('p', { class: 'error' }, error.message)));
  };
  details.addEventListener('toggle', () => {
    if (!details.open) open.delete(id);
    else if (!open.has(id) || details.children.length === 1) {
      open.add(id);
      void fill();
    }
  });
  return details;
}

function timeline(incident) {
  const entries = incident.timeline ?? [];
  const evidence = incident.evidence;
  return el(
    'div',
    {},
    el(
      'ol',
      { class: 'timeline' },
      entries.map((entry) =>
        el(
          'li',
          {},
          el('time', { datetime: entry.at }, new Date(entry.at).toLocaleString()),
          state(entry.kind),
          ' ',
          entry.message,
        ),
      ),
    ),
    evidence !== undefined &&
      evidence !== null &&
      el(
        'details',
        {},
        el('summary', {}, 'What there was to be seen'),
        el('pre', {}, JSON.stringify(evidence, null, 2)),
      ),
  );
}

function runDetail(run) {
  const plan = run.plan ?? [];
  return el(
    'div',
    {},
    run.error &&
      el(
        'p',
        { class: 'error' },
        run.error.message,
        run.error.hint && el('span', { class: 'quiet' }, ` ${run.error.hint}`),
      ),
    plan.length > 0 &&
      el(
        'ol',
        {},
        plan.map((change) =>
          el(
            'li',
            {},
            change.title,
            el('span', { class: 'quiet' }, ` (undo: ${change.undo})`),
            change.detail && el('pre', {}, change.detail),
          ),
        ),
      ),
    run.checks.length > 0 &&
      el(
        'ul',
        {},
        run.checks.map((check) => el('li', {}, state(check.ok ? 'done' : 'failed'), ' ', check.name)),
      ),
    plan.length + run.checks.length === 0 && !run.error && el('p', { class: 'quiet' }, 'Nothing to tell yet.'),
  );
}
