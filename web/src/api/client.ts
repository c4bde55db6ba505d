import createClient from 'openapi-fetch';
import { Refused } from './refused.ts';
import type { paths } from './schema.d.ts';

type Asked = { [P in keyof paths]: paths[P] extends { get: { responses: { 200: unknown } } } ? P : never }[keyof paths];
type Told = { [P in keyof paths]: paths[P] extends { post: object } ? P : never }[keyof paths];

/** An address that is asked, as openapi.json has it. */
export type AskPath = Asked & `/api/v1/${string}`;
/** An address that is told to do something. */
export type TellPath = Told & `/api/v1/${string}`;

type Json<R> = R extends { content: { 'application/json': infer T } } ? T : undefined;
type Success<R> = R extends { 200: infer T }
  ? Json<T>
  : R extends { 201: infer T }
    ? Json<T>
    : R extends { 202: infer T }
      ? Json<T>
      : undefined;

export type Answer<P extends keyof paths> = paths[P] extends { get: { responses: infer R } } ? Success<R> : never;
export type Told200<P extends keyof paths> = paths[P] extends { post: { responses: infer R } } ? Success<R> : never;

type Part<O, K extends string> = O extends { parameters: { [key in K]?: infer T } } ? Exclude<T, undefined> : never;
type GetOf<P extends keyof paths> = paths[P] extends { get: infer O } ? O : never;
type PostOf<P extends keyof paths> = paths[P] extends { post: infer O } ? O : never;

export interface Asking<P extends keyof paths> {
  readonly path?: Part<GetOf<P>, 'path'>;
  readonly query?: Part<GetOf<P>, 'query'>;
}

export interface Telling<P extends keyof paths> {
  readonly path?: Part<PostOf<P>, 'path'>;
  readonly body?: PostOf<P> extends { requestBody?: { content: { 'application/json': infer B } } } ? B : never;
}

const client = createClient<paths>({ baseUrl: '', credentials: 'same-origin' });

/** Refused where the server says no; never an answer that is none. */
export async function ask<P extends AskPath>(
  path: P,
  asking: Asking<P> = {},
  signal?: AbortSignal,
): Promise<Answer<P>> {
  return (await settle(
    client.GET(path as never, { params: { path: asking.path, query: asking.query }, signal } as never),
  )) as Answer<P>;
}

/** An answer that is text and no JSON: a drawing, a file. */
export async function askText<P extends AskPath>(path: P, asking: Asking<P> = {}): Promise<string> {
  return (await settle(
    client.GET(path as never, { params: { path: asking.path, query: asking.query }, parseAs: 'text' } as never),
  )) as string;
}

/** Sends a command. Refused where the server says no. */
export async function tell<P extends TellPath>(path: P, telling: Telling<P> = {}): Promise<Told200<P>> {
  return (await settle(
    client.POST(path as never, { params: { path: telling.path }, body: telling.body ?? {} } as never),
  )) as Told200<P>;
}

async function settle(asked: Promise<{ data?: unknown; error?: unknown; response: Response }>): Promise<unknown> {
  let settled: Awaited<typeof asked>;
  try {
    settled = await asked;
  } catch (thrown) {
    if (thrown instanceof DOMException && thrown.name === 'AbortError') throw thrown;
    throw new Refused(0, undefined);
  }
  if (!settled.response.ok) throw new Refused(settled.response.status, settled.error);
  return settled.data;
}
