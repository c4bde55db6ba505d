export class Refused extends Error {
  constructor(status, { code, message, hint }) {
    super([message, hint].filter(Boolean).join(' '));
    this.status = status;
    this.code = code;
  }
}

/** With a body it is a command, without one a question. */
export async function api(path, body) {
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

export const list = (answer) => (Array.isArray(answer) ? answer : (answer?.items ?? []));

/** A part of the page that is not there must not take the others with it. */
export const optional = (promise, instead) =>
  promise.catch((error) => {
    if (error.status === 404 || error.status === 403) return instead;
    throw error;
  });
